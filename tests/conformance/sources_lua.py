"""The scripts of the conformance suite, in Lua."""

SUFFIX = ".lua"

TEXTS = {
    "plain": """
count = 0
label = "red"
levels = {1.0, 2.0, 3.0}

-- Add two numbers.
function add(a, b) return a + b end

function echo(value) return value end

function set_count(value)
  count = value
  return count
end
""",
    "huge": "numbers = {}\nfor i = 1, 1000000 do numbers[i] = 7 end\n",
    "kinds": "function kind(value) return math.type and math.type(value) or type(value) end\n",
    "callbacks": """
local kept

function apply(callback, value) return callback(value) end
function keep(callback) kept = callback end
function use_kept(value) return kept(value) end
local function double(value) return 2 * value end
function give() return double end
""",
    "endless value": """
function loop()
  local value = {1}
  value[2] = {2, value}
  return value
end

function deep()
  local value = {}
  for _ = 1, 1000 do value = {value} end
  return value
end

function echo(value) return value end
""",
    "failing": """
local function inner()
  error("out of paint") -- HERE
end

function fail()
  inner() -- CALL
  return nil
end
""",
    "forward": """
function forward(alias, name, value)
  local result = host.call(alias, name, value) -- FORWARD
  return result
end

function fail(value) error("out of paint") end -- HERE

function echo(value) return value end
""",
    "hooks": """
local function saw(colour) host.log("saw " .. colour) end
local function broken(colour) error("no " .. colour) end -- HERE

function subscribe(priority) return host.on("paint", saw, priority) end
function subscribe_broken(priority) return host.on("paint", broken, priority) end
function unsubscribe(number) return host.off(number) end
function emit(colour) return host.emit("paint", colour) end
""",
    "rulings": """
function deny(colour) return host.veto("no " .. colour) end
function lighten(colour) return host.replace("light " .. colour) end
function answer(colour) return 0 end
function subscribe(name, priority) return host.on("paint", _G[name], priority) end
function consult(colour) return host.consult("paint", colour) end
""",
    "waiting": """
value = 20

function rest(ms)
  host.sleep(ms, function(err, result) host.log("rested: " .. tostring(err) .. " " .. tostring(result)) end)
end

function misuse()
  host.sleep("long", function(err) host.log("refused: " .. err) end)
end

function next_time()
  return host.once("paint", function(colour) host.log("once " .. colour) end)
end

function setting(name) return host.config(name, "none") end
function on_paint(colour) host.log("by name " .. colour) end
""",
    "timers": """
ticks = 0
local repeating

local function tick()
  ticks = ticks + 1
  host.log("tick " .. ticks)
  if ticks == 3 and repeating then host.clear_timer(repeating) end
end

local function broken() error("no paint") end -- HERE

function start(ms) return host.set_timeout(tick, ms) end
function start_broken(ms) return host.set_timeout(broken, ms) end
function repeat_(ms)
  repeating = host.set_interval(tick, ms)
  return repeating
end
_G["repeat"] = repeat_
function clear(number) return host.clear_timer(number) end
""",
    "talk": """
function say(text) host.log(text) end
function warn(text) host.warning(text) end
function show(text) print(text) end
""",
    "server": """
local listener = host.tcp_serve("127.0.0.1", host.state.port or 0, {
  data = function(connection, bytes) connection:send(bytes) end,
})
host.state.port = listener.port

function port() return listener.port end
""",
    "client": """
function connect(port)
  host.tcp_connect("127.0.0.1", port, {
    connected = function(connection) connection:send("hello") end,
    data = function(connection, bytes)
      host.log("got " .. bytes)
      connection:close()
    end,
    closed = function() host.log("closed") end,
    error = function(message) host.log("failed: " .. message) end,
  })
end
""",
    "version": "function version() return $VERSION end\n",
    "state": """
host.state.n = host.state.n or 0

function bump()
  host.state.n = host.state.n + 1
  return host.state.n
end
""",
    "spoiling": 'host.state.n = 1000\nerror("no paint at load") -- HERE\n',
    "broken": "function version() return 2 end\n\nlocal x = = 1 -- HERE\n",
    "spin": """
function spin(entered)
  entered()
  while true do
    local x = 1 -- HERE
  end
end

function echo(value) return value end
""",
    "spin at load": "while true do -- HERE\n  local x = 1 -- HERE TOO\nend\n",
    "mutual": """
function echo(value) return value end

function meet(wait, other)
  wait()
  return host.call(other, "echo", 1)
end

function ping(me, other, depth)
  if depth == 0 then return me end
  return host.call(other, "ping", other, me, depth - 1)
end
""",
}
