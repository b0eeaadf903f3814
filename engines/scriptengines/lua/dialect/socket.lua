-- socket: blocking TCP in the manner of LuaSocket; the script stands still meanwhile.
local D, socket = ...
local setmetatable, tonumber, type = setmetatable, tonumber, type
local connect, write, read = D.py("sockets.connect"), D.py("sockets.write"), D.py("sockets.read")
local set_limit, close = D.py("sockets.set_limit"), D.py("sockets.close")

local Tcp = {}
Tcp.__index = Tcp
function Tcp.__tostring(tcp) return "tcp{" .. (tcp.number and "client" or "master") .. "}" end

function Tcp:connect(host, port)
  if self.number then return nil, "already connected" end
  local seconds = self.seconds
  local found
  if seconds then found = connect(host, tonumber(port), seconds) else found = connect(host, tonumber(port)) end
  if not found[1] then return nil, found[3] end
  self.number = found[2]
  self:settimeout(seconds)
  return 1
end

function Tcp:settimeout(seconds)
  if seconds ~= nil and seconds < 0 then seconds = nil end
  self.seconds = seconds
  if self.number then set_limit(self.number, seconds) end
  return 1
end

-- As LuaSocket: of data, what is from the i-th byte up to the j-th; gives the index of the last one sent.
function Tcp:send(data, i, j)
  if not self.number then return nil, "closed" end
  local length = #data
  local first, last = i or 1, j or -1
  if first < 0 then first = length + first + 1 end
  if last < 0 then last = length + last + 1 end
  if first < 1 then first = 1 end
  if last > length then last = length end
  local found = write(self.number, data:sub(first, last))
  if found[1] then return first - 1 + found[2] end
  return nil, found[3] == "timeout" and "timeout" or "closed", first - 1 + found[2]
end

function Tcp:receive(pattern, prefix)
  if not self.number then return nil, "closed" end
  local found = read(self.number, pattern or "*l")
  prefix = prefix or ""
  if found[1] then return prefix .. found[2] end
  return nil, found[4], prefix .. found[3]
end

function Tcp:close()
  if self.number then close(self.number) end
  self.number = nil
  return 1
end

function socket.tcp() return setmetatable({}, Tcp) end

local now
function socket.gettime()
  now = now or D.py("system.now")
  return now()
end

function socket.sleep(seconds) D.PY.sleep(seconds) end

function socket.http_call(method, url, headers, payload)
  local ok, status, body, problem = D.PY.http_call_sync(method, url, headers, payload)
  return {success = ok, status_code = status, body = body, error = problem}
end

return socket
