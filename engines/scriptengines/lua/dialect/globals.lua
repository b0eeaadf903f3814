-- Installs the names of the dialect: each costs nothing until a script uses it. Runs when the host is bound.
local find, native, source, waiting, outer, guarded, guarded_or, suspend = ...

local type, tostring, error, assert, pairs, next = type, tostring, error, assert, pairs, next
local rawset, getmetatable, setmetatable, floor, format = rawset, getmetatable, setmetatable, math.floor, string.format
local open, package, globals, getenv = io.open, package, _G, os.getenv
local VERSION = tonumber(_VERSION:match("%d+%.%d+"))
local load_text = VERSION == 5.1 and loadstring or load

-- What every file of the dialect gets.
local D = {version = VERSION, find = find, host = host, guarded = guarded, guarded_or = guarded_or, suspend = suspend}

-- A function of a Python module beside these files.
function D.py(name)
  local found = native(name)
  return found[2] and waiting(found[1]) or outer(found[1])
end

-- The same, looked for when it is first called.
function D.later(name)
  local call
  return function(...)
    call = call or D.py(name)
    return call(...)
  end
end

local loaded = {}

-- What a file of the dialect returns; `target` is handed to it.
function D.part(name, target)
  local found = loaded[name]
  if found == nil then
    found = assert(load_text(source(name), "=[scriptconsole]"))(D, target)
    if found == nil then found = target or true end
    loaded[name] = found
  end
  return found
end

-- A table that a file of the dialect fills when it is first looked into.
local function lazy(name)
  local stub, meta = {}, {}
  local function fill()
    if getmetatable(stub) == meta then
      setmetatable(stub, nil)
      D.part(name, stub)
    end
  end
  function meta.__index(_, key)
    fill()
    return stub[key]
  end
  function meta.__newindex(_, key, value)
    fill()
    stub[key] = value
  end
  function meta.__pairs()
    fill()
    return pairs(stub)
  end
  return setmetatable(stub, meta)
end

D.json, D.net, D.mqtt, D.PY = lazy("json"), lazy("net"), lazy("mqtt"), lazy("py")
json, net, mqtt, _PY, _PLUA_VERSION = D.json, D.net, D.mqtt, D.PY, "1.3"

function input(prompt) return D.PY.input_lua(prompt) end

-- ---- timers ----------------------------------------------------------------------------------------------------------

local function check_time(name, ms)
  if type(ms) == "number" and ms == ms then return end
  local got = ms == nil and "no value" or type(ms) == "number" and "nan" or type(ms)
  error(format("bad argument #2 to '%s' (number expected, got %s)", name, got), 3)
end

-- What is no function fails when it is called, as its error belongs to the moment the timer fires.
local function callable(value)
  if type(value) == "function" then return value end
  return function() return value() end
end

local set_timeout, set_interval, clear_timer

function setTimeout(callback, ms, options)
  check_time("setTimeout", ms)
  set_timeout = set_timeout or D.py("timers.set_timeout")
  return (set_timeout(callable(callback), ms, type(options) == "table" and options.system and true or false))
end

function setInterval(callback, ms)
  check_time("setInterval", ms)
  set_interval = set_interval or D.py("timers.set_interval")
  return (set_interval(callable(callback), ms))
end

function D.clear(id)
  if type(id) ~= "number" or floor(id) ~= id then return false end
  clear_timer = clear_timer or D.py("timers.clear_timer")
  return clear_timer(floor(id))
end

function clearTimeout(id) D.clear(id) end
function clearInterval(id) D.clear(id) end

-- ---- modules ---------------------------------------------------------------------------------------------------------

local function as_is(value) return function() return value end end
local function part(name) return function() return D.part(name, {}) end end

local MODULES = {
  json = as_is(json), net = as_is(net), ["plua.json"] = as_is(json), ["plua.net"] = as_is(net),
  class = part("class"), ["plua.class"] = part("class"), socket = part("socket"), lfs = part("lfs"), mobdebug = part("mobdebug"),
  timers = as_is({
    setTimeout = setTimeout, clearTimeout = clearTimeout, setInterval = setInterval, clearInterval = clearInterval,
  }),
}

local function has_own(name)
  local folder = D.folder
  if not folder then return false end
  local base = folder .. "/" .. name:gsub("%.", "/")
  for _, path in next, {base .. ".lua", base .. "/init.lua"} do
    local file = open(path, "r")
    if file then
      file:close()
      return true
    end
  end
  return false
end

-- A module of the script's own, beside it, comes before ours; one that is installed comes after.
local function searcher(name)
  local ours = MODULES[name]
  if not ours or has_own(name) then return nil end
  return ours, ":dialect:"
end

local searchers = package.searchers or package.loaders
table.insert(searchers, 2, searcher)

-- ---- environment -----------------------------------------------------------------------------------------------------

local dotenv = D.later("system.dotenv")

function os.getenv(name, default)
  local value = getenv(name)
  if value == nil then value = dotenv(name) end
  if value == nil then return default end
  return value
end

return D
