-- Runs first in every Lua state. Gives back, in a table, what state.py calls; defines host, the timer globals, print
-- and io.write. Everything a call needs is local: a script may replace any global.
local FAIL, problem, write_out, write_err, stop, connection_get, connection_send, connection_close = ...

local create, resume, status, close = coroutine.create, coroutine.resume, coroutine.status, coroutine.close
local getinfo = debug.getinfo
local concat, select, type, tostring = table.concat, select, type, tostring
local error, pcall, load = error, pcall, load
local next, rawget, rawequal, getmetatable, setmetatable = next, rawget, rawequal, getmetatable, setmetatable
local integer_of, number_type, format = math.tointeger, math.type, string.format
local globals, package = _G, package
local OWN = getinfo(1, "S").source

python, package.loaded.python = nil, nil

-- ---- Python functions --------------------------------------------------------------------------------------------

-- The Python callable behind each wrapper, so that it goes back as the object it was.
local origin = setmetatable({}, {__mode = "k"})

local function checked(result)
  if result == FAIL then error(problem(), 2) end
  return result
end

-- The error names the line that called the wrapper.
local function wrap(callable)
  local function call(...)
    local result = callable(...)
    if result == FAIL then error(problem(), 2) end
    return result
  end
  origin[call] = callable
  return call
end

-- ---- values Python holds -------------------------------------------------------------------------------------------

local held, last_id = {}, 0

local function retain(value)
  local own = origin[value]
  if own ~= nil then return own end
  last_id = last_id + 1
  held[last_id] = value
  return last_id
end

local function release(...)
  for i = 1, select("#", ...) do held[select(i, ...)] = nil end
end

local function fetch(id) return held[id] end

local function describe_held(id)
  local value = held[id]
  if type(value) ~= "function" then return type(value), "" end
  local info = getinfo(value, "S")
  for name, global in next, globals do
    if rawequal(global, value) and type(name) == "string" then return name, info.short_src .. ":" .. info.linedefined end
  end
  return "function", info.short_src .. ":" .. info.linedefined
end

-- ---- calls ---------------------------------------------------------------------------------------------------------

local MAX_FRAMES = 100

local function name_of(info)
  if info.what == "main" then return "<module>" end
  if info.name then return info.name end
  for name, value in next, globals do
    if rawequal(value, info.func) and type(name) == "string" then return name end
  end
  return "<function>"
end

-- Stack of a coroutine that failed, innermost first: source, line, name, source, line, name …
local function trace(co)
  local frames, level = {}, 0
  while #frames < 3 * MAX_FRAMES do
    local info = getinfo(co, level, "Slnf")
    if not info then break end
    if info.what ~= "C" and info.source ~= OWN then
      local n = #frames
      frames[n + 1], frames[n + 2], frames[n + 3] = info.source, info.currentline, name_of(info)
    end
    level = level + 1
  end
  return frames
end

-- Text of an error value; and whether it was a string.
local function error_text(value)
  if type(value) == "string" then return value, true end
  if type(value) == "userdata" then return value, false end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, value)
    if ok then return text, false end
  end
  if type(value) == "table" then
    for _, key in next, {"message", "msg", "error"} do
      if type(rawget(value, key)) == "string" then return rawget(value, key), false end
    end
  end
  return format("error object is a %s value (%s)", type(value), tostring(value)), false
end

-- Coroutine of the innermost call: an interrupt leaves it behind, for its traceback.
local current

local function finish(outer, co, ok, ...)
  current = outer
  if ok then
    if status(co) == "dead" then return ... end
    return -- it yielded: there is no result yet
  end
  local frames = trace(co)
  close(co)
  local text, plain = error_text((...))
  return FAIL, text, plain, frames
end

local function call(callable, ...)
  local outer = current
  local co = type(callable) == "function" and create(callable) or create(function(...) return callable(...) end)
  current = co
  return finish(outer, co, resume(co, ...))
end

local function call_held(id, ...) return call(held[id], ...) end

local function interrupted_trace()
  local co = current
  current = nil
  return co and trace(co) or {}
end

-- ---- print and files -----------------------------------------------------------------------------------------------

write_out, write_err = wrap(write_out), wrap(write_err)

function print(...)
  local count, texts = select("#", ...), {...}
  for i = 1, count do texts[i] = tostring(texts[i]) end
  texts[count + 1] = ""
  write_out(count == 0 and "\n" or concat(texts, "\t", 1, count) .. "\n")
end

local stdout, stderr, output = io.stdout, io.stderr, io.output
local file_methods = getmetatable(stdout).__index
local write_file = file_methods.write

local function capture(sink, file, ...)
  local texts = {...}
  for i = 1, select("#", ...) do
    local value = texts[i]
    local kind = number_type(value)
    if kind == "float" then
      texts[i] = format("%.14g", value) -- as the stock function does
    elseif kind ~= "integer" and type(value) ~= "string" then
      error(format("bad argument #%d to 'write' (string expected, got %s)", i, type(value)), 3)
    end
  end
  if #texts > 0 then sink(concat(texts)) end
  return file
end

function file_methods.write(file, ...)
  if file == stdout then return (capture(write_out, file, ...)) end
  if file == stderr then return (capture(write_err, file, ...)) end
  return write_file(file, ...)
end

function io.write(...) return output():write(...) end

-- The stock one would end the whole process, not the script.
function os.exit(code)
  if code == nil or code == true then code = 0 elseif code == false then code = 1 end
  return checked(stop(code))
end

-- ---- connections -----------------------------------------------------------------------------------------------------

local connections = setmetatable({}, {__mode = "k"})
local methods = {}

function methods:send(bytes)
  if type(bytes) ~= "string" then
    error("bad argument #1 to 'send' (string expected, got " .. type(bytes) .. ")", 2)
  end
  if connection_send(self[connections], bytes) == FAIL then error(problem(), 2) end
end

function methods:close()
  if connection_close(self[connections]) == FAIL then error(problem(), 2) end
end

local connection_meta = {__name = "connection"}

function connection_meta:__index(key)
  local method = methods[key]
  if method then return method end
  if key ~= connections then return (checked(connection_get(rawget(self, connections), key))) end
end

function connection_meta:__tostring() return "connection " .. tostring(self.id or self.local_address) end

local function connection(object)
  local known = connections[object]
  if not known then
    known = setmetatable({[connections] = object}, connection_meta)
    connections[object] = known
  end
  return known
end

local function network(open)
  return function(address, port, handlers)
    local given = {}
    for event, handler in next, handlers or {} do
      given[event] = handler
      if event ~= "error" then given[event] = function(object, ...) return handler(connection(object), ...) end end
    end
    local result = open(address, port, given)
    if result == FAIL then error(problem(), 2) end
    return connection(result)
  end
end

-- ---- host ------------------------------------------------------------------------------------------------------------

host = {state = {}}

local function timer(name, start)
  globals[name] = function(callback, ms)
    if type(ms) ~= "number" then
      local got = ms == nil and "no value" or type(ms)
      error(format("bad argument #2 to '%s' (number expected, got %s)", name, got), 2)
    end
    if type(callback) ~= "function" then -- its error belongs to the moment it fires
      local value = callback
      callback = function() return value() end
    end
    local result = start(callback, ms)
    if result == FAIL then error(problem(), 2) end
    return result
  end
end

local special = {}
function special.tcp_connect(callable) host.tcp_connect = network(callable) end
function special.tcp_serve(callable) host.tcp_serve = network(callable) end
function special.set_timeout(callable) timer("setTimeout", callable) end
function special.set_interval(callable) timer("setInterval", callable) end

function special.clear_timer(callable)
  local function clear(id)
    id = number_type(id) and integer_of(id)
    if id then checked(callable(id)) end
  end
  clearTimeout, clearInterval = clear, clear
end

local function bind(name, callable)
  host[name] = wrap(callable)
  if special[name] then special[name](callable) end
end

-- ---- chunks ----------------------------------------------------------------------------------------------------------

local stock = {}

-- What is global now is not the script's.
local function mark_stock()
  for name in next, globals do stock[name] = true end
end

local function prepare(path, folder, ...)
  arg = {[0] = path, ...}
  package.path = folder .. "/?.lua;" .. folder .. "/?/init.lua;" .. package.path
  mark_stock()
end

local function compile(source, name) return load(source, name, "t") end

-- As a console line: an expression if it is one.
local function compile_line(source)
  local chunk = load("return " .. source, "=(console)", "t")
  if chunk then return chunk end
  return load(source, "=(console)", "t")
end

-- ---- looking up ------------------------------------------------------------------------------------------------------

local function raw_step(value, key)
  if type(value) == "table" then
    local item = rawget(value, key)
    if item ~= nil then return item end
  end
  local meta = getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  return type(index) == "table" and rawget(index, key) or nil
end

local function lookup(...)
  local value = globals
  for i = 1, select("#", ...) do value = raw_step(value, (select(i, ...))) end
  return type(value) == "function" and value or nil
end

-- inspect.lua
local function extend(source) return load(source, OWN, "t")(stock, OWN, raw_step) end

return {
  wrap = wrap, bind = bind, retain = retain, release = release, fetch = fetch, describe_held = describe_held,
  call = call, call_held = call_held, interrupted_trace = interrupted_trace,
  prepare = prepare, compile = compile, compile_line = compile_line, lookup = lookup, extend = extend, host = host,
}
