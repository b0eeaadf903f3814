-- The network functions of _PY, of both generations: a registered callback's id gets one table, a function plain values.
local D, PY = ...

local type, tostring, error, next, select, setmetatable, pcall = type, tostring, error, next, select, setmetatable, pcall
local later, answer = D.later, D.answer
local net = D.net
local _ = net.TCPSocket -- fills net, and with it what D has of it
local reason, known, connections, address_of = D.reason, D.known, D.connections, D.address_of
local with_type, http_listen, host_options = D.with_type, D.http_listen, D.host_options
local host_function = D.host_function
local background = later("webcalls.background")

-- Handles of what is no TCP connection.
local handles, last = {}, 0
local function new_handle(object)
  last = last + 1
  handles[last] = object
  return last
end

-- What a persistent callback is called with, again and again.
local function emit(callback, event) answer(callback, event) end

-- ---- HTTP ------------------------------------------------------------------------------------------------------------

local http_request, request_now = later("webcalls.request"), later("webcalls.request_now")

local function response_of(found)
  local value = D.json.decode(found.body)
  return {
    status = found.status, status_text = found.reason, headers = found.headers, text = found.body, json = value, url = found.url,
    ok = found.status < 400,
  }
end

function PY.call_http(url, options, id)
  http_request(url, host_options(options or {}), function(problem, found)
    if problem then return PY.timerExpired(id, reason(problem), nil) end
    PY.timerExpired(id, nil, response_of(found))
  end)
end

local streams = {}
function PY.call_http_stream(url, options, id)
  local stream
  stream = D.open_stream(url, options or {}, function(event)
    event.streaming = true
    PY.timerExpired(id, nil, event)
  end, function(problem)
    streams[stream.stream_id] = nil
    PY.timerExpired(id, problem)
    PY.clearRegisteredCallback(id)
  end)
  streams[stream.stream_id] = stream
  return stream.stream_id
end

function PY.cancel_http_stream(id)
  local stream = streams[id]
  streams[id] = nil
  return stream ~= nil and stream.close()
end

local function merged(options, more)
  for name, value in next, more do options[name] = value end
  return options
end

-- What the older generation asks for and gets.
local function is_old(asked)
  return type(asked) == "string" or asked.body ~= nil or asked.proxy ~= nil or asked.redirect ~= nil or asked.maxredirects ~= nil
end

local function old_options(asked)
  if type(asked) == "string" then asked = {url = asked} end
  local method = tostring(asked.method or "GET"):upper()
  local has_body = method == "POST" or method == "PUT" or method == "PATCH"
  return asked.url, merged(host_options({method = method, headers = asked.headers, data = has_body and asked.body or nil, timeout = 10000}), {
    proxy = asked.proxy, follow_redirects = asked.redirect ~= false, max_redirects = asked.maxredirects or 5,
  })
end

local function old_response(found)
  if found.error then return {code = 0, error = true, error_message = found.error} end
  local response = {code = found.status, headers = found.headers, body = found.body, url = found.url}
  if found.status >= 400 then response.error, response.error_message = true, found.reason end
  return response
end

function PY.http_request(asked) return old_response(request_now(old_options(asked))) end

function PY.http_request_sync(asked)
  if is_old(asked) then return PY.http_request(asked) end
  local found = request_now(asked.url, host_options({
    method = asked.method, headers = asked.headers, data = asked.data, timeout = asked.timeout and asked.timeout * 1000,
    checkCertificate = asked.checkCertificate,
  }))
  if found.error then return {error = found.error} end
  return response_of(found)
end

function PY.http_request_async(asked, callback)
  local url, options = old_options(asked)
  options.proxy, options.max_redirects = nil, nil
  http_request(url, options, function(problem, found)
    answer(callback, nil, old_response(problem and {error = reason(problem)} or found))
  end)
end

function PY.http_call_sync(method, url, headers, payload)
  local found = request_now(url, host_options({method = method, headers = headers, data = payload, timeout = 10000}))
  if found.error then return false, 0, nil, found.error end
  return true, found.status, found.body, nil
end

local servers, requests, last_request = {}, {}, 0

function PY.http_server_create()
  local sid = "http_server_" .. new_handle(true)
  servers[sid] = {}
  return sid
end

function PY.http_server_start(sid, host, port, id)
  local server = servers[sid]
  local ok, found = pcall(http_listen, host or "localhost", port, function(request, respond)
    last_request = last_request + 1
    request.request_id = "request_" .. last_request
    requests[request.request_id] = respond
    PY.timerExpired(id, request)
  end)
  if not ok then return PY.timerExpired(id, {success = false, message = tostring(found)}) end
  server.server, server.callback, server.port = found, id, found.port
  PY.http_server_port = found.port
end

function PY.http_server_stop(sid, id)
  local server = servers[sid]
  local running = server and server.server
  if running then
    running.close()
    server.server = nil
    PY.clearRegisteredCallback(server.callback)
  end
  answer(id, {success = running ~= nil, message = running and "HTTP Server stopped successfully" or "not running"})
end

function PY.http_server_is_running(sid) return servers[sid] ~= nil and servers[sid].server ~= nil end

function PY.http_server_respond(request_id, data, status, content_type, headers)
  local respond = requests[request_id]
  requests[request_id] = nil
  if not respond then return false end
  return respond(status or 200, tostring(data), with_type(headers, content_type))
end

-- ---- the web server of the older generation --------------------------------------------------------------------------

do
  local running, callbacks, messages, delivering, told = nil, {}, {}, false, nil
  local function split(path)
    local plain, query = path:match("^([^?]*)%??(.*)$")
    local values = {}
    for pair in query:gmatch("[^&]+") do
      local name, value = pair:match("^([^=]*)=?(.*)$")
      local function decode(text)
        return (text:gsub("+", " "):gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
      end
      name = decode(name)
      values[name] = values[name] or {}
      table.insert(values[name], decode(value))
    end
    return plain, values
  end
  function PY.start_web_server(port, host)
    if running then return false, "Web server already running" end
    local ok, server = pcall(http_listen, host or "127.0.0.1", port or 8080, function(request, respond)
      local path, query = split(request.path)
      local body = request.body
      for name, kind in next, request.headers do
        if name:lower() == "content-type" and kind:find("json", 1, true) then body = D.json.decode(body) or body end
      end
      respond(200, D.json.encode{status = "received", path = path, method = request.method}, with_type())
      local message = {type = "http_request", method = request.method, path = path, query = query, headers = request.headers, body = body}
      if delivering and callbacks.http_request then
        D.guarded("Error in web callback", callbacks.http_request, message)
      else
        messages[#messages + 1] = message
        if #messages > 1000 then table.remove(messages, 1) end
      end
    end)
    if not ok then return false, tostring(server) end
    running, told = server, host or "127.0.0.1"
    return true, "Web server started on " .. told .. ":" .. server.port
  end
  function PY.stop_web_server()
    if not running then return false, "Web server not running" end
    running.close()
    running = nil
    return true, "Web server stopped"
  end
  function PY.is_web_server_running() return running ~= nil end
  function PY.get_web_server_status()
    return {running = running ~= nil, port = running and running.port, host = told, process_id = PY.get_system_info().runtime.pid}
  end
  function PY.register_web_callback(name, callback) callbacks[name] = callback end
  function PY.unregister_web_callback(name) callbacks[name] = nil end
  function PY.start_web_message_processing()
    delivering = true
    while callbacks.http_request and messages[1] do
      D.guarded("Error in web callback", callbacks.http_request, table.remove(messages, 1))
    end
  end
  function PY.stop_web_message_processing() delivering = false end
  function PY.get_web_server_message() return table.remove(messages, 1) end
end

-- ---- TCP -------------------------------------------------------------------------------------------------------------

local tcp_open, tcp_serve = host_function("tcp_open"), host_function("tcp_serve")
local read_until = later("webcalls.read_until")
local limits = {} -- connection -> ms of an operation, for the older generation
local OLD_LIMIT = 5000

local function limit_of(id, callback)
  if limits[id] ~= nil then return limits[id] or nil end
  return type(callback) == "function" and OLD_LIMIT or nil
end

function PY.tcp_connect(host, port, callback)
  tcp_open(host, port, function(problem, connection)
    if problem then
      return answer(callback, {success = false, message = reason(problem)}, false, nil, reason(problem))
    end
    background(connection)
    local id = known(connection)
    local text = "Connected to " .. tostring(host) .. ":" .. tostring(port)
    answer(callback, {success = true, conn_id = id, message = text}, true, id, text)
  end)
end

local function missing(callback)
  answer(callback, {success = false, message = "Not connected", bytes_written = 0}, false, nil, "Not connected")
end

local function given(callback, is_old_end)
  return function(problem, data)
    if problem then
      return answer(callback, {success = false, message = reason(problem)}, false, nil, reason(problem))
    end
    if data == "" and type(callback) == "function" and is_old_end then
      return answer(callback, nil, false, nil, "Connection closed by peer")
    end
    answer(callback, {success = true, data = data, message = "Read " .. #data .. " bytes"}, true, data, "Read " .. #data .. " bytes")
  end
end

function PY.tcp_read(id, max, callback)
  local connection = connections[id]
  if not connection then return missing(callback) end
  connection:read(max or 1024, limit_of(id, callback), given(callback, true))
end

function PY.tcp_read_until(id, delimiter, max, callback)
  local connection = connections[id]
  if not connection then return missing(callback) end
  read_until(connection, delimiter, max or 8192, limit_of(id, callback), given(callback, true))
end

function PY.tcp_write(id, data, callback)
  local connection = connections[id]
  if not connection then return missing(callback) end
  connection:write(data, function(problem)
    if problem then
      return answer(callback, {success = false, bytes_written = 0, message = reason(problem)}, false, 0, reason(problem))
    end
    local text = "Sent " .. #data .. " bytes"
    answer(callback, {success = true, bytes_written = #data, message = text}, true, #data, text)
  end)
end

function PY.tcp_close(id, callback)
  local connection = connections[id]
  connections[id], limits[id] = nil, nil
  if connection then connection:close() end
  local text = connection and "Connection closed" or "Not connected"
  answer(callback, {success = connection ~= nil, message = text}, connection ~= nil, text)
end

function PY.tcp_set_timeout(id, seconds, callback)
  local ok = connections[id] ~= nil
  if ok then limits[id] = seconds and seconds * 1000 or false end
  answer(callback, {success = ok, message = ok and "Timeout set" or "Not connected"}, ok, ok and "Timeout set" or "Not connected")
end

function PY.tcp_get_timeout(id, callback)
  local ok, limit = connections[id] ~= nil, limit_of(id, callback)
  answer(callback, {success = ok, timeout = limit and limit / 1000}, ok, limit and limit / 1000, ok and "" or "Not connected")
end

-- Servers: started with a callback, or with listeners of the older generation.
local function raise(server, event, ...)
  local listener = server.listeners[event]
  if listener then D.guarded("Error in server callback", listener, ...) end
end

function PY.tcp_server_create() return new_handle({listeners = {}, clients = {}}) end

function PY.tcp_server_add_event_listener(id, event, callback) handles[id].listeners[event] = callback end

function PY.tcp_server_start(id, host, port, callback)
  local server = handles[id]
  local function left(connection)
    if not server.clients[connection.id] then return end
    server.clients[connection.id] = nil
    raise(server, "client_disconnected", connection.id, connection.peer)
  end
  local ok, listener = pcall(tcp_serve, host or "localhost", port, {
    connected = function(connection)
      local number = known(connection)
      server.clients[number] = connection
      background(connection)
      local client_host, client_port = address_of(connection)
      if callback then
        emit(callback, {success = true, conn_id = number, client_ip = client_host, client_port = client_port})
      end
      raise(server, "client_connected", number, client_host .. ":" .. tostring(client_port))
    end,
    ended = left, -- it may still be sent something, and closed by the script
    closed = left,
  })
  if not ok then
    if callback then emit(callback, {success = false, message = tostring(listener)}) end
    raise(server, "error", tostring(listener))
    return nil
  end
  server.listener, server.callback, server.port = listener, callback, listener.port
  return listener.port
end

function PY.tcp_server_is_ready(id) return handles[id] ~= nil and handles[id].listener ~= nil end

function PY.tcp_server_stop(id, callback)
  local server = handles[id]
  local listener = server and server.listener
  if listener then
    listener:close()
    server.listener = nil
    if server.callback then PY.clearRegisteredCallback(server.callback) end
  end
  answer(callback, {success = listener ~= nil, message = listener and "Server stopped" or "not running"})
end

function PY.tcp_server_close(id)
  local server = handles[id]
  if not server then return false end
  PY.tcp_server_stop(id)
  local numbers = {}
  for number in next, server.clients do numbers[#numbers + 1] = number end
  for _, number in next, numbers do PY.tcp_close(number) end
  handles[id] = nil
  return true
end

function PY.tcp_server_write_sync(id, data) return net.tcp_write_sync(id, data) end
function PY.tcp_server_read_sync(id, max) return net.tcp_read_sync(id, max) end

-- ---- UDP -------------------------------------------------------------------------------------------------------------

local udp_open, send_datagram = host_function("udp_open"), later("webcalls.send_datagram")

local function open_udp(host, port)
  local ok, socket = pcall(udp_open, host, port)
  if not ok then return nil, tostring(socket) end
  background(socket)
  return socket
end

function PY.udp_create_socket(callback)
  local number = new_handle({})
  setTimeout(function()
    local socket, problem = open_udp("0.0.0.0", 0)
    handles[number] = socket and {socket = socket} or nil
    answer(callback, {success = socket ~= nil, socket_id = socket and number, message = problem or "UDP socket created"})
  end, 0)
end

function PY.udp_bind(number, host, port, callback)
  local own = handles[number]
  local socket, problem
  if own then
    socket, problem = open_udp(host or "127.0.0.1", port or 0)
    if socket then
      if own.socket then own.socket:close() end
      own.socket = socket
    end
  end
  setTimeout(function()
    answer(callback, {success = socket ~= nil, message = socket and "Bound to port " .. socket.port or problem or "unknown socket", port = socket and socket.port})
  end, 0)
end

function PY.udp_send_to(number, data, host, port, callback)
  local own = handles[number]
  if not own or not own.socket then return answer(callback, {success = false, error = "Not connected"}) end
  send_datagram(own.socket, data, host, port, function(problem)
    answer(callback, {success = problem == nil, error = problem and reason(problem)})
  end)
end

function PY.udp_receive(number, callback)
  local own = handles[number]
  if not own or not own.socket then return answer(callback, {success = false, error = "Not connected"}) end
  own.socket:receive(function(problem, found)
    if problem then return answer(callback, {success = false, error = reason(problem)}) end
    answer(callback, {success = true, data = found[1], ip = found[2], port = found[3]})
  end)
end

function PY.udp_connect(host, port, callback)
  local socket, problem = open_udp("0.0.0.0", 0)
  if not socket then return answer(callback, nil, false, nil, problem) end
  answer(callback, nil, true, new_handle({socket = socket, host = host, port = port}), "Connected")
end

function PY.udp_write(number, data, host, port, callback)
  local own = handles[number]
  if not own then return answer(callback, nil, false, 0, "Not connected") end
  send_datagram(own.socket, data, host or own.host, port or own.port, function(problem)
    answer(callback, nil, problem == nil, problem and 0 or #data, problem and reason(problem) or "Sent")
  end)
end

function PY.udp_read(number, _, callback)
  local own = handles[number]
  if not own then return answer(callback, nil, false, nil, "Not connected") end
  own.socket:receive({timeout = OLD_LIMIT}, function(problem, found)
    answer(callback, nil, problem == nil, found and found[1], problem and reason(problem) or "Received")
  end)
end

function PY.udp_close(number, callback)
  local own = handles[number]
  handles[number] = nil
  if own and own.socket then own.socket:close() end
  answer(callback, nil, own ~= nil, own and "Closed" or "Not connected")
end

-- ---- WebSockets ------------------------------------------------------------------------------------------------------

local function client_events(number, listener)
  local client = handles[number].client
  for name, event in next, {connected = "connected", disconnected = "disconnected", dataReceived = "dataReceived", error = "error"} do
    client:addEventListener(name, function(value)
      local told = {event = event, conn_id = number}
      if name == "dataReceived" then told.data = value elseif name == "error" then told.error = value end
      listener(told)
      if name == "disconnected" or name == "error" and not client.connection then
        PY.clearRegisteredCallback(handles[number] and handles[number].callback)
      end
    end)
  end
end

-- websocket_connect(url, id[, headers]), or of the older generation (conn, url[, headers]).
function PY.websocket_connect(first, second, headers)
  if type(first) == "number" then
    local own = handles[first]
    own.client:connect(second, headers)
    return true
  end
  local number = new_handle({client = net.WebSocketClient(), callback = second})
  client_events(number, function(told) emit(second, told) end)
  handles[number].client:connect(first, headers)
  return number
end

function PY.websocket_client_create() return new_handle({client = net.WebSocketClient()}) end

function PY.websocket_add_event_listener(number, event, callback) handles[number].client:addEventListener(event, callback) end

function PY.websocket_send(number, data, callback)
  local own = handles[number]
  local ok = own ~= nil and own.client:isOpen()
  if ok then own.client:send(data) end
  answer(callback, {success = ok, error = not ok and "Not connected" or nil})
  return ok
end

function PY.websocket_close(number, callback)
  local own = handles[number]
  if own then
    own.client:close()
    PY.clearRegisteredCallback(own.callback)
  end
  answer(callback, {success = own ~= nil})
  return own ~= nil
end

function PY.websocket_is_open(number) return handles[number] ~= nil and handles[number].client:isOpen() end

function PY.websocket_server_create() return new_handle({server = net.WebSocketServer(), listeners = {}}) end

function PY.websocket_server_add_event_listener(number, event, callback) handles[number].listeners[event] = callback end

function PY.websocket_server_start(number, host, port, callback)
  local own = handles[number]
  local function told(event, old_event)
    return function(client, data)
      if event == "started" then client = nil end
      if event == "error" then
        emit(callback, {event = event, error = client})
      else
        emit(callback, {event = event, client_id = client, data = data})
      end
      raise(own, old_event, client, data)
    end
  end
  own.callback = callback
  own.server:start(host, port, {
    started = told("started", "started"), connected = told("connected", "client_connected"), receive = told("receive", "message"),
    disconnected = told("disconnected", "client_disconnected"), error = told("error", "error"),
  })
  own.port = own.server.port
  return own.server:isRunning()
end

function PY.websocket_server_send(number, client, data, callback)
  local own = handles[number]
  local ok = own ~= nil and own.server:isRunning() and own.server.sockets[client] ~= nil
  if ok then own.server:send(client, data) end
  answer(callback, {success = ok, error = not ok and "Client " .. tostring(client) .. " not connected" or nil})
  return ok
end

function PY.websocket_server_stop(number, callback)
  local own = handles[number]
  local ok = own ~= nil and own.server:isRunning()
  if ok then
    own.server:stop()
    PY.clearRegisteredCallback(own.callback)
  end
  answer(callback, {success = ok})
  return ok
end
PY.websocket_server_close = PY.websocket_server_stop

function PY.websocket_server_is_running(number) return handles[number] ~= nil and handles[number].server:isRunning() end

-- ---- MQTT ------------------------------------------------------------------------------------------------------------

local clients, last_client = {}, 0

function PY.mqtt_client_connect(uri, options, id)
  last_client = last_client + 1
  local handle = "mqtt_" .. last_client
  local client = D.mqtt.Client.connect(uri, options)
  clients[handle] = client
  for event in ("connected message subscribed unsubscribed published error disconnected closed"):gmatch("%a+") do
    client:addEventListener(event, function(told)
      answer(id, told)
      if event == "closed" then PY.clearRegisteredCallback(id) end
    end)
  end
  return handle
end

local function with_callback(id)
  return {callback = id and function(code) answer(id, {success = code == 0, error = code ~= 0 and "failed" or nil}) end}
end

function PY.mqtt_client_disconnect(handle, _, id) clients[handle]:disconnect(with_callback(id)) end
function PY.mqtt_client_publish(handle, topic, payload, options, id)
  local wanted = with_callback(id)
  for name, value in next, type(options) == "table" and options or {} do wanted[name] = value end
  return clients[handle]:publish(topic, payload, wanted)
end
function PY.mqtt_client_subscribe(handle, topic, options, id)
  local wanted = with_callback(id)
  for name, value in next, type(options) == "table" and options or {} do wanted[name] = value end
  return clients[handle]:subscribe(topic, wanted)
end
function PY.mqtt_client_unsubscribe(handle, topic, _, id) return clients[handle]:unsubscribe(topic, with_callback(id)) end
function PY.mqtt_client_add_event_listener(handle, event, id)
  clients[handle]:addEventListener(event, type(id) == "function" and id or function(told) answer(id, told) end)
end
function PY.mqtt_client_remove_event_listener(handle, event) clients[handle]:removeEventListener(event) end
function PY.mqtt_client_is_connected(handle) return clients[handle] ~= nil and clients[handle]:isConnected() end
function PY.mqtt_client_get_info(handle) return clients[handle] and clients[handle]:getInfo() end

-- ---- what is going on ------------------------------------------------------------------------------------------------

function PY.has_active_network_operations() return PY.getPendingCallbackCount() > 0 or next(connections) ~= nil end

local function any(test)
  return function()
    for _, object in next, handles do
      if type(object) == "table" and test(object) then return true end
    end
    return false
  end
end
PY.has_active_tcp_server_operations = any(function(object) return object.listener ~= nil end)
PY.has_active_websocket_operations = any(function(object) return object.client ~= nil and object.client.connection ~= nil end)
PY.has_active_websocket_server_operations = any(function(object) return object.server ~= nil and object.server.running == true end)

-- An extra: where a server listens that was started on port 0.
function PY.websocket_server_port(number) return handles[number] and handles[number].port end
