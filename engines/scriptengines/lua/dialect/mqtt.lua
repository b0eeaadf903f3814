-- mqtt: clients of a broker. One listener an event; callbacks get an error code, 0 for success.
local D, mqtt = ...

local type, tostring, next, setmetatable, tonumber, pcall = type, tostring, next, setmetatable, tonumber, pcall
local guarded = D.guarded

mqtt.QoS = {AT_MOST_ONCE = 0, AT_LEAST_ONCE = 1, EXACTLY_ONCE = 2}
mqtt.MQTTConnectReturnCode = {
  CONNECTION_ACCEPTED = 0, UNACCEPTABLE_PROTOCOL_VERSION = 1, IDENTIFIER_REJECTED = 2, SERVER_UNAVAILABLE = 3,
  BAD_USERNAME_OR_PASSWORD = 4, NOT_AUTHORIZED = 5,
}

local FAILED = 1
local Client = {}
Client.__index = Client
function Client.__tostring(client) return "MQTT client " .. client.client_id end

local connect

local function as_table(value) return type(value) == "table" and value or {} end

local function raise_event(client, name, fields)
  local callback = client.listeners[name]
  if not callback then return end
  fields.event, fields.client_id = name, client.client_id
  guarded("Error in MQTT " .. name .. " callback", callback, fields)
end

local function call_back(callback, code)
  if type(callback) == "function" then guarded("Error in MQTT callback", callback, code) end
end

-- The callback that waits for the answer to a packet; the answer may come before the number of the packet is known.
local function answered(client, kind, id)
  local key = kind .. tostring(id)
  local callback = client.waiting[key]
  client.waiting[key] = nil
  if callback then return call_back(callback, 0) end
  client.early[key] = client.sending
end

local function split(uri)
  local scheme, rest = tostring(uri):match("^(%a+)://(.*)$")
  rest = (rest or tostring(uri)):gsub("/.*$", "")
  local host, port = rest:match("^(.-):(%d+)$")
  return scheme or "mqtt", host or rest, tonumber(port)
end

function Client.connect(uri, options)
  options = as_table(options)
  connect = connect or D.find("mqtt_connect")
  local scheme, host, port = split(uri)
  local tls = scheme == "mqtts" or options.tls ~= nil and options.tls ~= false
  port = port or options.port or (tls and 8883 or 1883)
  local client = setmetatable({
    listeners = {}, waiting = {}, early = {}, topics = {}, subscriptions = {}, host = host, port = port, use_tls = tls,
    client_id = tostring(options.clientId or "client-" .. tostring({}):match("%w+$")),
  }, Client)
  local wanted = {
    client_id = client.client_id, keepalive = (options.keepAlivePeriod or 60) * 1000, clean = options.cleanSession ~= false,
    username = options.username, password = options.password,
  }
  if tls then
    local given = as_table(options.tls)
    wanted.tls = {verify = not (given.allowUnauthorized or given.rejectUnauthorized == false), ca = given.ca}
  end
  if type(options.lastWill) == "table" then
    local will = options.lastWill
    wanted.will = {topic = will.topic, payload = tostring(will.payload or ""), qos = will.qos or 0, retain = will.retain or false}
  end
  local told, is_over = false, false
  local function tell_connected(code)
    if not told then call_back(options.callback, code) end
    told = true
  end
  local function over()
    if is_over then return end
    is_over = true
    client.client = nil
    for key, callback in next, client.waiting do
      client.waiting[key] = nil
      call_back(callback, FAILED)
    end
  end
  client.client = connect((tls and "mqtts" or "mqtt") .. "://" .. host .. ":" .. port, wanted, {
    connected = function(_, session_present)
      client.connected = true
      raise_event(client, "connected", {sessionPresent = session_present == true, returnCode = 0})
      tell_connected(0)
    end,
    message = function(_, message)
      raise_event(client, "message", {
        topic = message.topic, payload = message.payload, qos = message.qos, retain = message.retain == true,
        dup = message.duplicate == true, packetId = message.id,
      })
    end,
    subscribed = function(_, id, results)
      raise_event(client, "subscribed", {packetId = id, results = results or {}})
      answered(client, "subscribe", id)
    end,
    unsubscribed = function(_, id)
      raise_event(client, "unsubscribed", {packetId = id})
      answered(client, "unsubscribe", id)
    end,
    published = function(_, id)
      raise_event(client, "published", {packetId = id, topic = client.topics[id] or client.publishing})
      client.topics[id] = nil
      answered(client, "publish", id)
    end,
    error = function(_, problem)
      raise_event(client, "error", {error = tostring(problem or _)})
      tell_connected(FAILED)
      if not client.connected then over() end
    end,
    disconnected = function()
      client.connected = false
      raise_event(client, "disconnected", {})
    end,
    closed = function()
      client.connected = false
      over()
      raise_event(client, "closed", {})
      if client.when_closed then call_back(client.when_closed, 0) end
      client.when_closed = nil
    end,
  })
  return client
end

-- Do something with the connection; without one, the callback hears of it.
local function send(client, kind, callback, action)
  if not client.client or not client.connected then
    call_back(callback, FAILED)
    return nil
  end
  client.sending = true
  local ok, id = pcall(action, client.client)
  client.sending = nil
  if not ok then
    call_back(callback, FAILED)
    return nil
  end
  local key = kind .. tostring(id)
  local is_answered = client.early[key]
  client.early[key] = nil
  if is_answered then
    call_back(callback, 0)
  elseif type(callback) == "function" then
    client.waiting[key] = callback
  end
  return id
end

function Client:publish(topic, payload, options)
  options = as_table(options)
  return send(self, "publish", options.callback, function(client)
    self.publishing = topic
    local id = client:publish(topic, payload == nil and "" or tostring(payload), options.qos or 0, options.retain == true)
    self.publishing = nil
    if id and not self.early["publish" .. tostring(id)] then self.topics[id] = topic end
    return id
  end)
end

function Client:subscribe(topic, options)
  options = as_table(options)
  for _, each in next, type(topic) == "table" and topic or {topic} do
    self.subscriptions[#self.subscriptions + 1] = type(each) == "table" and each[1] or each
  end
  return send(self, "subscribe", options.callback, function(client)
    local first = type(topic) == "table" and topic[1]
    if type(first) ~= "table" then return client:subscribe(topic, options.qos or 0) end
    local id
    for _, pair in next, topic do id = client:subscribe(pair[1], pair[2] or options.qos or 0) end -- {topic, qos} each
    return id
  end)
end

function Client:unsubscribe(topic, options)
  return send(self, "unsubscribe", as_table(options).callback, function(client) return client:unsubscribe(topic) end)
end

function Client:addEventListener(name, callback) self.listeners[name] = callback end
function Client:removeEventListener(name) self.listeners[name] = nil end
function Client:isConnected() return self.connected == true end

function Client:disconnect(options)
  local callback = as_table(options).callback
  if not self.client then return call_back(callback, FAILED) end
  self.when_closed = callback
  self.client:disconnect()
end

function Client:getInfo()
  if not self.client then return nil end
  return {
    connected = self.connected == true, client_id = self.client_id, host = self.host, port = self.port, use_tls = self.use_tls,
    subscriptions = self.subscriptions,
  }
end

mqtt.Client = Client
