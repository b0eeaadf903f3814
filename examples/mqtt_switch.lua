-- Switches the light of a room: scriptconsole --batch examples/mqtt_switch.lua -- mqtt://127.0.0.1 kitchen on

local uri, room, state = ...
host.mqtt_connect(uri, {client_id = "switch-" .. room}, {
  connected = function(client) client:publish("rooms/" .. room .. "/light", state, 1) end,
  published = function(client)
    print(room .. " is " .. state)
    client:disconnect()
  end,
  error = function(_, problem) print("failed: " .. problem) end,
})
