-- A script as people write them for the dialect: servers, clients, timers and JSON, by callbacks and in a coroutine.
local json = require("json")
local net = require("net")
local class = require("class")

class 'Sensor'
function Sensor:__init(name) self.name, self.values = name, {} end
function Sensor:add(value) self.values[#self.values + 1] = value end
function Sensor:__tostring() return json.encode({name = self.name, values = self.values}) end

local sensor = Sensor("outside")

local server = net.HTTPServer()
server:start("127.0.0.1", 0, function(method, path, body)
  if method == "POST" then
    local data, problem = json.decode(body)
    if not data then return json.encode({error = problem}), 400 end
    sensor:add(data.value)
    return json.encode({ok = true})
  end
  return tostring(sensor)
end)
local url = "http://127.0.0.1:" .. server.port .. "/values"

-- The idiom: a function that looks blocking, made of a callback.
local function request(method, data)
  local co = coroutine.running()
  net.HTTPClient():request(url, {
    options = {method = method, data = data and json.encode(data), headers = {["Content-Type"] = "application/json"}, timeout = 5000},
    success = function(response) coroutine.resume(co, response.status, response.data) end,
    error = function(problem) coroutine.resume(co, nil, problem) end,
  })
  return coroutine.yield()
end

local ticks = 0
local timer
timer = setInterval(function()
  ticks = ticks + 1
  if ticks == 3 then clearInterval(timer) end
end, 5)

setTimeout(function()
  for i = 1, 3 do print("post", request("POST", {value = i * 1.5})) end
  print("get", request("GET"))
  while ticks < 3 do host.sleep(5) end
  print("ticks", ticks)
  server:stop()
end, 0)

local echo = net.TCPEchoServer("127.0.0.1", 0, nil, true)
local sock = net.TCPSocket({timeout = 5000})
sock:connect("127.0.0.1", echo.port, {
  success = function()
    sock:send("hello\n", {success = function()
      sock:readUntil("\n", {success = function(line)
        print("echo", (line:gsub("%s+$", "")))
        sock:close()
        echo:stop()
      end})
    end})
  end,
  error = function(problem) print("no connection", problem) end,
})
