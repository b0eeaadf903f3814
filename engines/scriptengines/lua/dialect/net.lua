-- net: clients and servers of the dialect, on the network functions of the host. Callbacks run in coroutines of their own.
local D, net = ...

local type, tostring, error, next, select, setmetatable = type, tostring, error, next, select, setmetatable
local pcall, create, running, resume, yield = pcall, coroutine.create, coroutine.running, coroutine.resume, coroutine.yield
local guarded, find, py, later = D.guarded, D.find, D.py, D.later
local background = later("webcalls.background")
local unpack = table.unpack or unpack

-- A host function by its name, looked for when it is first called.
local function host_function(name)
  local call
  return function(...)
    call = call or find(name)
    return call(...)
  end
end
D.host_function = host_function

local function as_table(value) return type(value) == "table" and value or {} end

-- What the callback of a table gets; without one, an error is nobody's.
local function tell(place, callbacks, name, ...)
  local callback = as_table(callbacks)[name]
  if callback ~= nil then guarded("Error in " .. place .. " " .. name .. " callback", callback, ...) end
end

-- Text of a network error: "timeout" when something took too long.
local function reason(problem)
  local text = tostring(problem)
  if text:find("timed out", 1, true) or text:find("^timeout") then return "timeout" end
  return text
end
D.reason = reason

-- Methods are ordinary functions of a table; fields of its own come first.
local function class(name)
  local methods = {}
  methods.__index = methods
  function methods.__tostring(object) return name .. " object: " .. object.__address end
  return methods
end

local function new(methods, object)
  object.__address = tostring(object):match("0x%x+") or tostring(object):match("%S+$")
  return setmetatable(object, methods)
end

-- ---- TCP -------------------------------------------------------------------------------------------------------------

local tcp_open, tcp_serve = host_function("tcp_open"), host_function("tcp_serve")
local TCPSocket = class("TCPSocket")
local DEFAULT_TIMEOUT, MAX_READ, MAX_UNTIL = 10000, 1024, 8192

local function tcp_socket(options, connection)
  options = as_table(options)
  local socket = new(TCPSocket, {opts = options, timeout = options.timeout or DEFAULT_TIMEOUT, reads = {}})
  if connection then
    background(connection)
    socket.connection, socket.socket = connection, connection.id
  end
  return socket
end

function net.TCPSocket(options) return tcp_socket(options) end

function TCPSocket:connect(host, port, callbacks)
  tcp_open(host, port, {timeout = self.timeout}, function(problem, connection)
    if problem then return tell("TCP connect", callbacks, "error", reason(problem)) end
    background(connection)
    self.connection, self.socket = connection, connection.id
    tell("TCP connect", callbacks, "success")
  end)
end

function TCPSocket:send(data, callbacks)
  local connection = self.connection
  if not connection then return tell("TCP send", callbacks, "error", "Not connected") end
  connection:write(data, function(problem)
    if problem then return tell("TCP send", callbacks, "error", reason(problem)) end
    tell("TCP send", callbacks, "success")
  end)
end
TCPSocket.write = TCPSocket.send

-- Reads are answered in the order they were asked for, one at a time.
local function next_read(socket)
  local read = socket.reads[1]
  if not read then return end
  read.begin(socket.connection, function(problem, data)
    if socket.reads[1] ~= read then return end -- closed meanwhile, and told
    table.remove(socket.reads, 1)
    if socket.reads[1] then next_read(socket) end
    if problem then return tell(read.place, read.callbacks, "error", reason(problem)) end
    tell(read.place, read.callbacks, "success", data or "")
  end)
end

local function add_read(socket, place, callbacks, begin)
  if not socket.connection then return tell(place, callbacks, "error", "Not connected") end
  socket.reads[#socket.reads + 1] = {place = place, callbacks = callbacks, begin = begin}
  if #socket.reads == 1 then next_read(socket) end
end

function TCPSocket:read(callbacks)
  add_read(self, "TCP read", callbacks, function(connection, done) connection:read(MAX_READ, self.timeout, done) end)
end

local read_until = later("webcalls.read_until")

function TCPSocket:readUntil(delimiter, callbacks)
  add_read(self, "TCP readUntil", callbacks, function(connection, done)
    read_until(connection, delimiter, MAX_UNTIL, self.timeout, done)
  end)
end

function TCPSocket:close()
  local connection, reads = self.connection, self.reads
  self.connection, self.socket, self.reads = nil, nil, {}
  if connection then connection:close() end
  for i = 1, #reads do tell(reads[i].place, reads[i].callbacks, "error", "Not connected") end
end

local function address_of(connection)
  local host, port = tostring(connection.peer):match("^(.*):(%d+)$")
  return (host or ""):gsub("^%[(.*)%]$", "%1"), tonumber(port)
end
D.address_of = address_of

local TCPServer = class("TCPServer")

function net.TCPServer() return new(TCPServer, {}) end

local function where(host, port) -- start(port, callback) leaves the host out
  if type(host) == "number" then return "localhost", host, port end
  return host or "localhost", port, nil
end

function TCPServer:start(host, port, callback)
  local moved
  host, port, moved = where(host, port)
  callback = moved or callback
  self:stop()
  self.listener = tcp_serve(host, port, {connected = function(connection)
    local client_host, client_port = address_of(connection)
    local client = tcp_socket(nil, connection)
    if callback then guarded("Error in TCP server callback", callback, client, client_host, client_port) end
  end})
  self.port = self.listener.port
end

function TCPServer:stop()
  if self.listener then self.listener:close() end
  self.listener = nil
end

-- Sends back what comes. `system` and `nodebug` are flags.
function net.TCPEchoServer(host, port, system, nodebug)
  local server = new(TCPServer, {})
  server.listener = tcp_serve(host or "localhost", port, {
    connected = function(connection)
      if not nodebug then print("Client connected: " .. table.concat({address_of(connection)}, " ")) end
    end,
    data = function(connection, data) connection:send(data) end,
  })
  server.port = server.listener.port
  if system then background(server.listener) end
  return server
end

function net.EchoServer(host, port, debug)
  local server = new(TCPServer, {})
  server.listener = tcp_serve(host or "localhost", port, {
    connected = function(connection)
      if debug then print("Client connected: " .. table.concat({address_of(connection)}, " ")) end
    end,
    data = function(connection, data) connection:send("Echo: " .. data) end,
  })
  server.port = server.listener.port
  return server
end

-- ---- UDP -------------------------------------------------------------------------------------------------------------

local udp_open = host_function("udp_open")
local UDPSocket = class("UDPSocket")

function net.UDPSocket()
  local socket = new(UDPSocket, {waiting = {}})
  setTimeout(function() -- as its creation is told to be asynchronous: what is asked for before is kept in order
    local waiting = socket.waiting
    socket.waiting = nil
    if socket.closed then return end
    local ok, found = pcall(udp_open, "0.0.0.0", 0)
    if ok then
      background(found)
      socket.connection, socket.socket = found, found.id or 1
    else
      socket.problem = reason(found)
    end
    for i = 1, #waiting do waiting[i]() end
  end, 0)
  return socket
end

local function when_ready(socket, place, callbacks, action)
  if socket.closed then return tell(place, callbacks, "error", "Not connected") end
  local function act()
    if socket.problem then return tell(place, callbacks, "error", socket.problem) end
    action()
  end
  if socket.waiting then
    socket.waiting[#socket.waiting + 1] = act
  else
    act()
  end
end

local send_datagram = later("webcalls.send_datagram")

function UDPSocket:sendTo(data, host, port, callbacks)
  when_ready(self, "UDP send", callbacks, function()
    send_datagram(self.connection, data, host, port, function(problem)
      if problem then return tell("UDP send", callbacks, "error", reason(problem)) end
      tell("UDP send", callbacks, "success")
    end)
  end)
end

function UDPSocket:send(host, port, data, callbacks) return self:sendTo(data, host, port, callbacks) end

local function next_datagram(socket)
  local read = socket.reads and socket.reads[1]
  if not read then return end
  socket.connection:receive(function(problem, found)
    if not socket.reads or socket.reads[1] ~= read then return end
    table.remove(socket.reads, 1)
    next_datagram(socket)
    if problem then return tell("UDP receive", read, "error", reason(problem)) end
    tell("UDP receive", read, "success", found[1], found[2], found[3])
  end)
end

function UDPSocket:receive(callbacks)
  when_ready(self, "UDP receive", callbacks, function()
    self.reads = self.reads or {}
    self.reads[#self.reads + 1] = as_table(callbacks)
    if #self.reads == 1 then next_datagram(self) end
  end)
end

function UDPSocket:close()
  self.closed = true
  local connection, reads = self.connection, self.reads
  self.connection, self.socket, self.reads = nil, nil, nil
  if connection then connection:close() end
  for i = 1, reads and #reads or 0 do tell("UDP receive", reads[i], "error", "Not connected") end
end

-- ---- HTTP client -----------------------------------------------------------------------------------------------------

local http_request, http_stream = later("webcalls.request"), host_function("http_stream")
local HTTPClient = class("HTTPClient")

function net.HTTPClient(options) return new(HTTPClient, {opts = as_table(options)}) end

local function wants_stream(options, inner)
  if options.stream then return true end
  for name, value in next, as_table(inner.headers) do
    if tostring(name):lower() == "accept" and tostring(value):find("text/event-stream", 1, true) then return true end
  end
  return false
end

-- The options of the host for those of the dialect; `timeout` of a stream is the time without data.
local function host_options(inner, is_stream)
  local headers = {}
  for name, value in next, as_table(inner.headers) do headers[tostring(name)] = tostring(value) end
  local wanted = {method = tostring(inner.method or "GET"):upper(), headers = headers, exact_names = true}
  if inner.data ~= nil then wanted.body = tostring(inner.data) end
  if inner.checkCertificate == false then wanted.verify = false end
  wanted.ca = inner.ca
  if is_stream then
    wanted.timeout, wanted.read_timeout = 0, inner.timeout or 0
  else
    wanted.timeout = inner.timeout or 30000
    wanted.read_timeout, wanted.connect_timeout = 0, 0
  end
  return wanted
end
D.host_options = host_options

local streams = 0

-- One call of `event` for each event, then one of `ended`, unless it is closed here.
local function open_stream(url, inner, event, ended)
  local status, headers, closed
  local stream = http_stream(url, host_options(inner, true), {
    response = function(code, names) status, headers = code, names end,
    event = function(found)
      if not closed and status < 400 then
        event({status = status, headers = headers, data = found.data, event = found.event or "message", id = found.id})
      end
    end,
    closed = function(problem)
      if closed then return end
      closed = true
      if problem then return ended(reason(problem)) end
      if status and status >= 400 then return ended("HTTP " .. status .. ": " .. "the server refused the stream") end
      ended("stream closed")
    end,
  })
  streams = streams + 1
  return {stream_id = "stream_" .. streams, close = function()
    if closed then return false end
    closed = true
    stream:close()
    return true
  end}
end
D.open_stream = open_stream

function HTTPClient:request(url, options)
  if type(options) ~= "table" then
    error("bad argument #2 to 'request' (table expected, got " .. type(options) .. ")", 2)
  end
  local inner = as_table(options.options)
  if wants_stream(options, inner) then
    return open_stream(
      url, inner,
      function(event) tell("HTTP", options, "success", event) end,
      function(problem) tell("HTTP", options, "error", problem) end
    )
  end
  http_request(url, host_options(inner), function(problem, response)
    if problem then return tell("HTTP", options, "error", reason(problem)) end
    tell("HTTP", options, "success", {status = response.status, data = response.body, headers = response.headers})
  end)
end

-- ---- HTTP server -----------------------------------------------------------------------------------------------------

local http_serve = host_function("http_serve")
local HTTPServer = class("HTTPServer")
local JSON_TYPE = "application/json; charset=utf-8"
local ANSWER_LIMIT = 30000

-- `timeout` of the options: milliseconds that the handler has for its answer.
function net.HTTPServer(options) return new(HTTPServer, {opts = as_table(options)}) end

local function with_type(headers, content_type)
  local given, has_type = {}, false
  for name, value in next, as_table(headers) do
    given[tostring(name)] = tostring(value)
    has_type = has_type or tostring(name):lower() == "content-type"
  end
  if not has_type then given["Content-Type"] = content_type or JSON_TYPE end
  return given
end

-- Listens; `ask(request, respond)` is called for each request, and the client waits for respond(status, body, headers).
local function http_listen(host, port, ask, limit)
  local open, closing = {}, false
  local function answer(request)
    local reply = D.suspend(function(done)
      local timer
      local function respond(status, body, headers)
        if not open[done] then return false end
        open[done] = nil
        clearTimeout(timer)
        done(nil, {status, body, headers})
        return true
      end
      open[done] = respond
      ask({method = request.method, path = request.target, body = request.body, headers = request.headers}, respond)
      if open[done] then
        timer = setTimeout(function() respond(504, '{"error": "Request timeout"}', with_type()) end, limit or ANSWER_LIMIT, {system = true})
      end
    end)
    return reply[1], reply[2], reply[3]
  end
  local server = http_serve(host, port, answer, {timeout = 0, exact_names = true})
  return {port = server.port, close = function()
    if closing then return end
    closing = true
    local waiting = {} -- an answer lets the next request of its connection in
    for _, respond in next, open do waiting[#waiting + 1] = respond end
    for i = 1, #waiting do waiting[i](503, '{"error":"Service unavailable"}', with_type()) end
    server:close()
  end}
end
D.http_listen, D.with_type = http_listen, with_type

function HTTPServer:start(host, port, handler)
  local moved
  host, port, moved = where(host, port)
  handler = moved or handler
  if self.server then self.server.close() end
  self.server = http_listen(host, port, function(request, respond)
    if not handler then return respond(404, '{"error":"Not found"}', with_type()) end
    local function finish(data, status, headers)
      if data == nil then data = '{"error": "No data returned"}' end
      if type(data) == "table" then data = D.json.encode(data) end
      respond(status or 200, tostring(data), with_type(headers))
    end
    D.guarded_or("Error in HTTP handler", function() respond(500, '{"error":"Internal server error"}', with_type()) end, function()
      finish(handler(request.method, request.path, request.body, request.headers))
    end)
  end, self.opts.timeout)
  self.port = self.server.port
end

function HTTPServer:stop()
  if not self.server then return end
  self.server.close()
  self.server = nil
  print("HTTP Server stopped successfully")
end

-- ---- WebSockets ------------------------------------------------------------------------------------------------------

local websocket_connect, websocket_serve = host_function("websocket_connect"), host_function("websocket_serve")
local WebSocketClient = class("WebSocketClient")

function net.WebSocketClient(options) return new(WebSocketClient, {opts = as_table(options), listeners = {}}) end
net.WebSocketClientTls = net.WebSocketClient

function WebSocketClient:addEventListener(name, callback)
  local list = self.listeners[name] or {}
  self.listeners[name] = list
  list[#list + 1] = callback
end

local function raise_event(client, name, ...)
  local list = client.listeners[name]
  for i = 1, list and #list or 0 do guarded("Error in WebSocket " .. name .. " callback", list[i], ...) end
end

function WebSocketClient:connect(url, headers)
  if self.connection then return raise_event(self, "error", "Already connected") end
  local given = {}
  for _, names in next, {as_table(self.opts.headers), as_table(headers)} do
    for name, value in next, names do given[tostring(name)] = tostring(value) end
  end
  local connected, connection = false, nil
  local function is_mine() return connection == nil or self.connection == connection end
  connection = websocket_connect(url, {
    connected = function()
      if not is_mine() then return end
      connected = true
      self.is_open = true
      raise_event(self, "connected")
    end,
    message = function(_, data)
      if is_mine() then raise_event(self, "dataReceived", data) end
    end,
    closed = function()
      if not is_mine() then return end
      self.connection, self.is_open = nil, false
      if connected then raise_event(self, "disconnected") end
    end,
    error = function(_, problem)
      if not is_mine() then return end
      if not connected then self.connection = nil end
      raise_event(self, "error", (connected and "" or "Connection error: ") .. tostring(problem or _))
    end,
  }, {headers = given, ca = self.opts.ca, verify = self.opts.checkCertificate})
  self.connection = connection
end

function WebSocketClient:send(data)
  if not self.is_open then return raise_event(self, "error", "Not connected") end
  local text = tostring(data)
  self.connection:send(text)
end

function WebSocketClient:isOpen() return self.is_open == true end

function WebSocketClient:close()
  local connection = self.connection
  self.connection, self.is_open = nil, false
  if connection then connection:close() end
end

local WebSocketServer = class("WebSocketServer")

function net.WebSocketServer() return new(WebSocketServer, {running = false}) end

function WebSocketServer:start(host, port, callbacks)
  callbacks = as_table(callbacks)
  local place = "WebSocket server"
  if self.running then return tell(place, callbacks, "error", "Server already running") end
  local sockets, numbers, count = {}, {}, 0
  local ok, server = pcall(websocket_serve, host or "localhost", port, {
    connected = function(socket)
      count = count + 1
      sockets[count], numbers[socket] = socket, count
      tell(place, callbacks, "connected", count)
    end,
    message = function(socket, data) tell(place, callbacks, "receive", numbers[socket], data) end,
    closed = function(socket)
      local number = numbers[socket]
      if not number then return end
      sockets[number], numbers[socket] = nil, nil
      tell(place, callbacks, "disconnected", number)
    end,
  })
  if not ok then return tell(place, callbacks, "error", "Failed to start server: " .. tostring(server)) end
  self.server, self.sockets, self.callbacks, self.running, self.port = server, sockets, callbacks, true, server.port
  setTimeout(function() tell(place, callbacks, "started") end, 0)
end

function WebSocketServer:send(client, data)
  if not self.running then return tell("WebSocket server", self.callbacks, "error", "Server not running") end
  local socket = self.sockets[client]
  if not socket then
    return tell("WebSocket server", self.callbacks, "error", "Client " .. tostring(client) .. " not connected")
  end
  socket:send(tostring(data))
end

function WebSocketServer:stop()
  if not self.running then return end
  self.running = false
  self.server:close()
end

function WebSocketServer:isRunning() return self.running end

function WebSocketServer:getClients()
  local found = {}
  for number in next, self.sockets or {} do found[#found + 1] = number end
  table.sort(found)
  return found
end

function net.WebSocketEchoServer(host, port, debug)
  local server = net.WebSocketServer()
  local function say(client, text)
    if debug then print("[EchWS] " .. tostring(client) .. " " .. text) end
  end
  server:start(host, port, {
    started = function() say(0, "started") end,
    connected = function(client)
      background(server.sockets[client])
      say(client, "connected")
    end,
    receive = function(client, data)
      say(client, "received " .. data)
      server:send(client, "Echo: " .. data)
    end,
    disconnected = function(client) say(client, "disconnected") end,
    error = function(problem) say(0, problem) end,
  })
  if server.server then background(server.server) end
  return server
end

-- ---- MQTT ------------------------------------------------------------------------------------------------------------

local mqtt = D.mqtt
net.Client, net.QoS, net.MQTTConnectReturnCode = mqtt.Client, mqtt.QoS, mqtt.MQTTConnectReturnCode

function net.MQTTClient()
  return {connect = function(client, uri, options)
    local made = mqtt.Client.connect(uri, options)
    return setmetatable(client, {__index = made})
  end}
end
net.MQTTClientTls = net.MQTTClient

-- ---- the older generation: TCP inside a coroutine, by yielding, and its blocking twins -------------------------------

local connections = {}
D.connections = connections

local function known(connection)
  connections[connection.id] = connection
  return connection.id
end
D.known = known

local function find_connection(id) return connections[id] end

function net.tcp_connect_sync(host, port)
  local ok, problem, connection
  D.suspend(function(done)
    tcp_open(host, port, {timeout = DEFAULT_TIMEOUT}, function(...)
      problem, connection = ...
      done()
    end)
  end)
  ok = problem == nil
  if not ok then return false, nil, reason(problem) end
  background(connection)
  return true, known(connection), "Connected"
end

function net.tcp_write_sync(id, data)
  local connection, problem = find_connection(id), nil
  if not connection then return false, 0, "Not connected" end
  D.suspend(function(done)
    connection:write(data, function(...)
      problem = ...
      done()
    end)
  end)
  if problem then return false, 0, reason(problem) end
  return true, #data, "Sent"
end

function net.tcp_read_sync(id, max)
  local connection, problem, data = find_connection(id), nil, nil
  if not connection then return false, nil, "Not connected" end
  D.suspend(function(done)
    connection:read(max or MAX_READ, DEFAULT_TIMEOUT, function(...)
      problem, data = ...
      done()
    end)
  end)
  if problem then return false, nil, reason(problem) end
  return true, data, "Read"
end

function net.tcp_close_sync(id)
  D.suspend(function(done) done() end)
  local connection = find_connection(id)
  if not connection then return false, "Not connected" end
  connections[id] = nil
  connection:close()
  return true, "Closed"
end

function net.tcp_connect_direct(...) return D.PY.tcp_connect_sync(...) end
function net.tcp_write_direct(...) return D.PY.tcp_write_sync(...) end
function net.tcp_close_direct(...) return D.PY.tcp_close_sync(...) end
function net.tcp_read_direct(id, max)
  local found = D.PY.tcp_read_sync_client(id, max)
  return found.success, found.data, found.message
end
