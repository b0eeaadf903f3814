-- The greenhouse's controller: reads the sensors over TCP, has the readings smoothed by the C filter,
-- and switches the heater. What it learned survives a reload in host.state.

TARGET = 21.0 -- degrees Celsius; change it, save, and watch the greenhouse follow
MARGIN = 0.5
DAY = 30 -- readings in one simulated day

heater = false
smoothed = 0
connection = nil

local state = host.state
state.day = state.day or 1
state.readings = state.readings or 0
state.sum = state.sum or 0
state.switches = state.switches or 0

-- Switch the heater on or off and tell everybody.
function switch(on)
  heater = on
  state.switches = state.switches + 1
  host.call("sensors", "set_heater", on)
  host.emit("heater", on)
end

local function finish_day()
  print(string.format("day %d: mean %.1f degrees, heater switched %d times",
    state.day, state.sum / state.readings, state.switches))
  host.emit("day", state.day)
  state.day, state.readings, state.sum, state.switches = state.day + 1, 0, 0, 0
end

-- Decide on one reading.
function decide(reading)
  smoothed = host.call("filter", "smooth", reading)
  state.readings = state.readings + 1
  state.sum = state.sum + smoothed
  if not heater and smoothed < TARGET - MARGIN then
    switch(true)
  elseif heater and smoothed > TARGET + MARGIN then
    switch(false)
  end
  if state.readings >= DAY then finish_day() end
end

local rest = ""
local function receive(_, bytes)
  rest = rest .. bytes
  for line, tail in rest:gmatch("([^\n]*)\n()") do
    decide(tonumber(line))
    rest_at = tail
  end
  if rest_at then rest, rest_at = rest:sub(rest_at), nil end
end

function connect(port)
  state.port = port
  connection = host.tcp_connect("127.0.0.1", port, {
    connected = function(conn) host.log("connected to the sensors at " .. conn.peer) end,
    data = receive,
    closed = function() host.log("the sensors are gone") end,
    error = function(message) host.warning("no sensors: " .. message) end,
  })
end

host.on("sensors_ready", connect)
host.on("day", function(day)
  -- Without a screen, one day is enough.
  if host.batch then
    connection:close()
    clearInterval(watering)
    host.call("sensors", "stop")
    print(string.format("the filter smoothed %d readings", host.call("filter", "count")))
  end
end)

-- Water the plants now and then, so that there is a timer to look at.
waterings = 0
watering = setInterval(function() waterings = waterings + 1 end, 1000)

if state.port then connect(state.port) end -- after a reload
