-- Runs first in every Lua state, of any version from 5.1 to 5.5. Gives back, in a table, what state.py calls; defines
-- host, print and io.write. Everything a call needs is local: a script may replace any global.
local outer, keeps_python, write_out, write_err, stop, resumed_failed = ...

local getinfo, traceback = debug.getinfo, debug.traceback
local concat, select, type, tostring, tonumber = table.concat, select, type, tostring, tonumber
local assert, error, pcall = assert, error, pcall
local next, rawget, rawset, rawequal, getmetatable, setmetatable = next, rawget, rawset, rawequal, getmetatable, setmetatable
local number_type, format, match = math.type, string.format, string.match
local running, resume, yield, status = coroutine.running, coroutine.resume, coroutine.yield, coroutine.status
local create = coroutine.create
local globals, package = _G, package
local OWN = getinfo(1, "S").source
local VERSION = tonumber(match(_VERSION, "%d+%.%d+")) -- LuaJIT says 5.1
local load_text = VERSION == 5.1 and loadstring or load
local unpack = table.unpack or unpack

-- What a script may replace, as it is before one comes.
local library = {}
for name, value in next, globals do
  if type(value) == "table" and rawequal(package.loaded[name], value) and value ~= globals then
    library[name] = {}
    for key, item in next, value do library[name][key] = item end
  elseif type(value) == "function" then
    library[name] = value
  end
end

if not keeps_python then python, package.loaded.python = nil, nil end

-- ---- values Python holds -------------------------------------------------------------------------------------------

local function describe(value)
  if type(value) ~= "function" then return type(value), "" end
  local info = getinfo(value, "S")
  local place = match(info.short_src, "[^/]*$") .. ":" .. info.linedefined
  for name, global in next, globals do
    if rawequal(global, value) and type(name) == "string" then return name, place end
  end
  return "function:" .. info.linedefined, place
end

local function get_field(object, name) return object[name] end
local function set_field(object, name, value) object[name] = value end

local function call_method(object, name, ...)
  local method = object[name]
  if method == nil then error(format("no method %q", tostring(name)), 0) end
  return method(object, ...)
end

-- Text of an error value that is no string.
local function error_text(value)
  if type(value) == "userdata" then return value end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, value)
    if ok then return text end
  end
  if type(value) == "table" then
    for _, key in next, {"message", "msg", "error"} do
      if type(rawget(value, key)) == "string" then return rawget(value, key) end
    end
  end
  return format("error object is a %s value (%s)", type(value), tostring(value))
end

-- ---- print and files -----------------------------------------------------------------------------------------------

function print(...)
  local count, texts = select("#", ...), {...}
  local text_of = VERSION < 5.4 and globals.tostring or tostring -- 5.4 no longer asks for the global
  for i = 1, count do
    local text = text_of(texts[i])
    if type(text) ~= "string" and type(text) ~= "number" then error("'tostring' must return a string to 'print'", 2) end
    texts[i] = text
  end
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
    if type(value) == "number" then
      if VERSION < 5.5 and (not number_type or number_type(value) == "float") then
        texts[i] = format("%.14g", value) -- as the stock function does
      else
        texts[i] = tostring(value)
      end
    elseif type(value) ~= "string" then
      error(format("bad argument #%d to 'write' (string expected, got %s)", i, type(value)), 3)
    end
  end
  if #texts > 0 then sink(concat(texts)) end
  return VERSION == 5.1 or file
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
  return stop(code)
end

-- ---- host ------------------------------------------------------------------------------------------------------------

local waits = setmetatable({}, {__mode = "k"}) -- coroutine -> true while it waits for the host
local tells = setmetatable({}, {__mode = "k"}) -- coroutine -> what is called when it has ended, by `await_end`
local ends = setmetatable({}, {__mode = "k"}) -- coroutine -> who is to be told when it fails
local places = setmetatable({}, {__mode = "k"}) -- coroutine -> what its errors are reported as, by `guarded`

-- The Lua stack of a coroutine that failed, innermost first, flat: source, line, name, source …
local function stack_of(co)
  local rows = {}
  for level = 0, 100 do
    local info = getinfo(co, level, "Slnf")
    if not info then break end
    if info.what ~= "C" then
      local n = #rows
      local name = info.what == "main" and "<module>" or info.name
      if not name or name == "?" or name == "" then name = describe(info.func) end
      rows[n + 1], rows[n + 2], rows[n + 3] = info.source, info.currentline, name == "function" and "<function>" or name
    end
  end
  return rows
end

local function failed(co, problem)
  local plain, tell, done = type(problem) == "string", tells[co], ends[co]
  tells[co], ends[co] = nil, nil
  if done then done(false) end
  resumed_failed(plain and problem or error_text(problem), plain, stack_of(co), tell, places[co])
end

-- After a coroutine was resumed for the host: its end or its error goes to whoever waits for it.
local function went_on(co, ok, ...)
  if waits[co] then return end
  if not ok then return failed(co, ...) end
  local tell = tells[co]
  tells[co] = nil
  if not tell then return ... end
  if status(co) == "dead" then tell(...) else tell() end
end

-- Call a function in a coroutine of its own; its error, also a later one, is reported as one of that place.
local function guarded(place, call, ...)
  local co = create(function(...) return call(...) end)
  places[co] = place
  return went_on(co, resume(co, ...))
end

-- The same; `fault` is called after an error was reported.
local function guarded_or(place, fault, call, ...)
  local co = create(function(...) return call(...) end)
  places[co], ends[co] = place, function() fault() end
  return went_on(co, resume(co, ...))
end

-- Whether a coroutine waits for the host; then `tell` is called with what it returns, or resumed_failed gets it.
local function await_end(co, tell)
  if not waits[co] then return false end
  tells[co] = tell
  return true
end

-- Suspends the running coroutine until `begin(...)` has its last argument called, with an error or nil, and the result.
local function suspend(begin, ...)
  local co, is_main = running()
  if not co or is_main then
    error("nothing to suspend: call it in a coroutine, or with a function as its last argument", 3)
  end
  local done, failure, result
  local count, given = select("#", ...), {...}
  given[count + 1] = function(...)
    if done then return end
    done, failure, result = true, ...
    if not waits[co] or status(co) ~= "suspended" then return end
    waits[co] = nil
    went_on(co, resume(co))
  end
  begin(unpack(given, 1, count + 1))
  while not done do
    waits[co] = true
    yield()
    waits[co] = nil
  end
  if failure ~= nil then error(failure, 3) end
  return result
end

-- What waits suspends the coroutine that calls it, unless a function is its last argument. `begin` calls its last
-- argument with an error or nil, and the result.
local function waiting(begin)
  begin = outer(begin)
  return function(...)
    local count = select("#", ...)
    if count > 0 and type((select(count, ...))) == "function" then return (begin(...)) end
    return (suspend(begin, ...))
  end
end

local function complete(done, ...)
  ends[running()] = nil
  done(true, ...)
end

-- A function that tells in the end how `f` ended: at once, or after it was suspended. An error before that is raised.
local function completing(f)
  return function(done, ...)
    ends[running()] = done
    complete(done, f(...))
  end
end

-- Like coroutine.wrap; an error goes to the handler, or is printed, and the call returns nothing.
function coroutine.wrapdebug(call, handler)
  local co = create(call)
  local function took(ok, ...)
    if ok then return ... end
    local problem, trace = ..., traceback(co)
    if handler then handler(problem, trace) else print(format("%s\n%s", tostring(problem), trace)) end
  end
  return function(...) return took(resume(co, ...)) end
end

-- A method of a host object, made by a Python function that takes the object first.
local function method(call, waits) return waits and waiting(call) or outer(call) end

local offer -- gives {function, whether it waits}, or nil

local function find(name)
  local found = offer(name)
  if found then return found[2] and waiting(found[1]) or found[1] end
end

host = setmetatable({state = {}}, {__index = function(t, name)
  local found = type(name) == "string" and find(name) or nil
  if found then rawset(t, name, found) end
  return found
end})

local dialect

-- `give` finds host functions by their names. `extra`, unless nil, installs the names of the Lua dialect.
local function bind(give, extra, native, source)
  offer = give
  if extra then
    dialect = assert(load_text(extra, OWN))(find, native, source, waiting, outer, guarded, guarded_or, suspend)
  end
end

-- ---- files ---------------------------------------------------------------------------------------------------------

-- `problem(path, writes)` tells why the script may not use a path. What runs other programs or loads libraries of
-- C code goes: those may use any file.
local function confine(problem)
  local function give_back(stock, writes_by_mode)
    return function(path, mode, ...)
      if type(path) ~= "string" then return stock(path, mode, ...) end
      local writes = not writes_by_mode or (type(mode) == "string" and match(mode, "[wa+]") ~= nil)
      local why = problem(path, writes)
      if why then return nil, why, 13 end
      return stock(path, mode, ...)
    end
  end
  local function raise(stock, writes)
    return function(path, ...)
      local why = type(path) == "string" and problem(path, writes) or nil
      if why then error(why, 2) end
      return stock(path, ...)
    end
  end
  local function refuse(name)
    return function() return nil, name .. ' is not available: option files = "own"', 13 end
  end
  local rename, io_open, load_file = os.rename, io.open, globals.loadfile
  io.open, os.remove = give_back(io.open, true), give_back(os.remove)
  function os.rename(from, to)
    local why = problem(tostring(from), true) or problem(tostring(to), true)
    if why then return nil, why, 13 end
    return rename(from, to)
  end
  io.lines, io.input, io.output = raise(io.lines, false), raise(io.input, false), raise(io.output, true)
  globals.dofile, globals.loadfile = raise(globals.dofile, false), raise(globals.loadfile, false)
  -- `require` looks where package.path leads, but only takes what is inside; nothing else finds modules.
  local stock_open, stock_load, close = io_open, load_file, file_methods.close
  local function search(name)
    local tried = {}
    for template in (package.path .. ";"):gmatch("([^;]+);") do
      local file = template:gsub("%?", (tostring(name):gsub("%.", "/"):gsub("%%", "%%%%")))
      local why = problem(file, false)
      local found = not why and stock_open(file, "r")
      if found then
        close(found)
        return file
      end
      tried[#tried + 1] = "\n\t" .. (why or "no file '" .. file .. "'")
    end
    return nil, concat(tried)
  end
  local searchers = package.searchers or package.loaders
  searchers[2] = function(name)
    local file, tried = search(name)
    if not file then return tried end
    local chunk, why = stock_load(file)
    if not chunk then error(format("error loading module '%s' from file '%s':\n\t%s", name, file, why), 0) end
    return chunk, file
  end
  searchers[3], searchers[4] = nil, nil
  package.searchpath = nil
  io.popen, os.execute, os.tmpname, package.loadlib = refuse "io.popen", refuse "os.execute", refuse "os.tmpname", nil
  package.cpath = ""
end

-- ---- chunks ----------------------------------------------------------------------------------------------------------

local stock = {}

-- What is global now is not the script's.
local function mark_stock()
  for name in next, globals do stock[name] = true end
end

local function prepare(path, folder, ...)
  globals.arg = {[0] = path, ...} -- in 5.1, `arg` alone is a local of every vararg function
  package.path = folder .. "/?.lua;" .. folder .. "/?/init.lua;" .. package.path
  if dialect then dialect.folder = folder end
  mark_stock()
end

local function compile(source, name)
  if source:sub(1, 1) == "\27" then return nil, "attempt to load a binary chunk: only text can be a script" end
  return load_text(source, name)
end

-- As a console line: an expression if it is one.
local function compile_line(source)
  local chunk = compile("return " .. source, "=(console)")
  if chunk then return chunk end
  return compile(source, "=(console)")
end

local function show(...)
  for i = 1, select("#", ...) do
    if (select(i, ...)) ~= nil then return print(...) end
  end
end

-- Code of a command line: an expression, whose results are shown, or statements.
local function fragment(source)
  local chunk = compile("return " .. source, "=(fragment)")
  if chunk then return function() show(chunk()) end end
  return compile(source, "=(fragment)")
end

-- What survives a reload.
local function get_state() return host.state end
local function set_state(state) host.state = state end

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
local function extend(source, describe_object, object)
  return assert(load_text(source, OWN))(stock, OWN, raw_step, library, describe_object, object)
end

return {
  describe = describe, get_field = get_field, set_field = set_field, call_method = call_method, error_text = error_text,
  bind = bind, confine = confine, method = method, completing = completing, await_end = await_end, prepare = prepare,
  compile = compile, compile_line = compile_line, fragment = fragment, lookup = lookup, extend = extend,
  get_state = get_state, set_state = set_state,
}
