-- Sends back whatever it gets: scriptconsole --batch examples/tcp_echo.lua -- 7000

local listener = host.tcp_serve("127.0.0.1", tonumber(arg[1]) or 0, {
  connected = function(connection) print(connection.peer .. " is here") end,
  data = function(connection, payload) connection:send(payload) end,
  closed = function(connection, err)
    print(connection.peer .. " has gone after " .. connection.received .. " bytes: " .. (err or "no error"))
  end,
})
print("listening on " .. listener.local_address)
