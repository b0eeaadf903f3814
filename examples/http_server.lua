-- A small service: curl http://127.0.0.1:8080/lamps, curl -d '{"on": true}' -H 'Content-Type: application/json'
-- http://127.0.0.1:8080/lamps/kitchen, curl http://127.0.0.1:8080/slow. Its first argument is the port.
local lamps = {kitchen = false, hall = true}

local server = host.http_serve("127.0.0.1", tonumber(arg[1] or 8080))

server:route("GET", "/lamps", function() return lamps end)

server:route("POST", "/lamps/{name}", function(request)
  local name = request.params.name
  if lamps[name] == nil then return 404, "no lamp " .. name end
  if not request.json then return 400, 'send {"on": true}' end
  lamps[name] = request.json.on == true
  return {name = name, on = lamps[name]}
end)

-- A route may wait; others are answered meanwhile.
server:route("GET", "/slow", function()
  host.sleep(200)
  return "slow, but here\n"
end)

host.log("listening on http://127.0.0.1:" .. server.port .. "/")
