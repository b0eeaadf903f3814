-- _PY: timers, registered callbacks, utilities, files and blocking sockets. Its network functions are in pynet.lua.
local D, PY = ...

local type, tostring, error, pcall, select, next = type, tostring, error, pcall, select, next
local pairs, setmetatable, concat, floor = pairs, setmetatable, table.concat, math.floor
local unpack = table.unpack or unpack
local py, later, guarded, json = D.py, D.later, D.guarded, D.json
local globals = _G

-- ---- callbacks -------------------------------------------------------------------------------------------------------

local next_id, hold = py("timers.next_id"), py("system.hold")
local registered = {}

local function forget(id)
  local entry = registered[id]
  if not entry then return end
  registered[id] = nil
  if not entry.system then hold(-1) end
end

function PY.registerCallback(callback, persistent, system)
  local id = next_id()
  registered[id] = {callback = callback, persistent = persistent and true or false, system = system and true or false}
  if not system then hold(1) end
  return id
end

function PY.clearRegisteredCallback(id) forget(id) end

function PY.timerExpired(id, ...)
  local entry = registered[id]
  if not entry then return end
  if not entry.persistent then forget(id) end
  local callback = entry.callback
  guarded("Error in callback", function(...) return callback(...) end, ...)
end

-- The answer of an asynchronous call: one table to a registered callback, plain values to a function.
function D.answer(callback, result, ...)
  if type(callback) == "function" then
    guarded("Error in callback", callback, ...)
  elseif callback ~= nil then
    PY.timerExpired(callback, result)
  end
end

-- ---- timers ----------------------------------------------------------------------------------------------------------

PY.setTimeout, PY.clearTimeout = setTimeout, clearTimeout
PY.setInterval, PY.clearInterval = setInterval, clearInterval

function PY.set_timeout(callback_id, ms)
  return "timer_" .. setTimeout(function() PY.timerExpired(callback_id) end, ms)
end

function PY.clear_timeout(timer)
  local id = tonumber((tostring(timer):match("^timer_(%d+)$")))
  return id ~= nil and D.clear(id)
end

local count = py("timers.count")

local function pending()
  local n = 0
  for _ in next, registered do n = n + 1 end
  return n
end

function PY.get_timer_count() return count("timeout") end
function PY.getPendingCallbackCount() return count("timeout") + pending() end
function PY.getRunningIntervalsCount() return count("interval") end
function PY.get_callbacks_count() return PY.getPendingCallbackCount(), PY.getRunningIntervalsCount() end
function PY.has_active_timers() return count("timeout") > 0 end
function PY.has_active_intervals() return count("interval") > 0 end
function PY.process_timer_callbacks() end
function PY.yield_to_loop() end

-- ---- clock and platform ----------------------------------------------------------------------------------------------

PY.get_time, PY.milli_time, PY.sleep = later("system.now"), later("system.now"), later("system.sleep")
function PY.py_sleep(ms) PY.sleep(ms / 1000) end
PY.random_number = later("system.random_number")
PY.get_platform, PY.get_system_info = later("system.platform"), later("system.information")
PY.get_python_version, PY.get_hostname = later("system.python_version"), later("system.host_name")
PY.get_local_ip, PY.is_port_available = later("system.local_address"), later("sockets.is_free")
PY.log = later("system.log")

function PY.print(...)
  local texts = {...}
  for i = 1, select("#", ...) do texts[i] = tostring(texts[i]) end
  print(concat(texts, " "))
end

function PY.clientPrint(_, text) print(text) end

-- ---- environment -----------------------------------------------------------------------------------------------------

local variable, set_variable = later("system.get_variable"), later("system.set_variable")

function PY.get_env(name, default)
  local value = variable(name)
  if value == nil then return default == nil and "" or default end
  return value
end

function PY.get_env_var(name, default)
  local value = variable(name)
  if value == nil then return default end
  return value
end

PY.dotgetenv = PY.get_env_var
PY.set_env = function(name, value) return set_variable(name, value) end
PY.set_env_var, PY.get_all_env_vars = PY.set_env, later("system.all_variables")

-- ---- text ------------------------------------------------------------------------------------------------------------

PY.base64_encode, PY.base64_decode = later("system.base64_encode"), later("system.base64_decode")
PY.html2console, PY.get_available_colors = later("system.html_to_console"), later("system.colors")
PY.input_lua = function(prompt)
  PY.input_lua = py("system.read_line")
  return PY.input_lua(prompt == nil and "" or prompt)
end

function PY.parse_json(text) return json.decode(text) end
function PY.to_json(value) return json.encode2(value) end
function PY.to_json_formatted(value) return json.encodeFormated(value) end
function PY.pretty_print(value, indent) return json.encodeFormated(value, indent) end

function PY.print_table(value, indent)
  local ok, text = pcall(json.encodeFormated, value, indent)
  print(ok and text or json.encodeLua(value))
  return true
end

-- ---- files -----------------------------------------------------------------------------------------------------------

local attempt = later("files.attempt")

local function file_action(name, ...)
  local found = attempt(name, ...)
  if found[1] then return found[2] end
  return nil, found[2]
end

local function must(name, ...)
  local value, problem = file_action(name, ...)
  if problem then error(problem, 3) end
  return value
end

function PY.read_file(path) return file_action("read", path) end

function PY.write_file(path, content)
  local _, problem = file_action("write", path, content)
  if problem then print("Error writing file: " .. problem) end
  return problem == nil
end

function PY.fread_file(path) return (must("read", path)) end
function PY.fwrite_file(path, content) return (must("write", path, content)) end
PY.file_exists, PY.is_directory = later("files.exists"), later("files.is_folder")
function PY.get_file_size(path) return file_action("size", path) end
function PY.list_files(path) return file_action("names", path or ".") end
function PY.create_directory(path) return (file_action("make_folders", path)) == true end
function PY.create_temp_directory(name) return file_action("temporary_folder", name or "script") end
function PY.utime(path, accessed, changed) return (must("set_times", path, accessed, changed)) end

function PY.list_directory(path)
  local entries, problem = file_action("listing", path or ".")
  if problem then return {entries = {}, count = 0, error = problem} end
  return {entries = entries, count = #entries}
end

do -- back ends of lfs
  local lfs
  local function of(name)
    return function(...)
      lfs = lfs or D.part("lfs", {})
      return lfs[name](...)
    end
  end
  for name in ("attributes symlinkattributes chdir currentdir mkdir rmdir touch link setmode"):gmatch("%a+") do
    PY["fs_" .. name] = of(name)
  end
  local open_folders, last = {}, 0
  local dir = of("dir")
  function PY.fs_dir_open(path)
    local _, folder = dir(path)
    last = last + 1
    open_folders[last] = folder
    return last
  end
  function PY.fs_dir_next(number)
    local folder = open_folders[number]
    return folder and folder.names and folder:next() or nil
  end
  function PY.fs_dir_close(number) open_folders[number] = nil end
end

-- ---- running code ----------------------------------------------------------------------------------------------------

local load_text = D.version == 5.1 and loadstring or load

-- An expression's results that are not nil are printed, or else the text is statements.
function PY.luaFragment(code)
  local chunk = load_text("return " .. code, "=(fragment)")
  if not chunk then
    chunk = load_text(code, "=(fragment)")
    if not chunk then return error(select(2, load_text(code, "=(fragment)")), 2) end
    return chunk()
  end
  local function show(...)
    local texts = {}
    for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
    if #texts > 0 and (...) ~= nil then print(concat(texts, "\t")) end
  end
  show(chunk())
end

function PY.clientExecute(_, code)
  local ok, problem = pcall(PY.luaFragment, code)
  if not ok then print(problem) end
end

function PY.mainLuaFile(paths)
  for _, path in next, type(paths) == "table" and paths or {paths} do
    if PY.mainHook then
      PY.mainHook(path)
    else
      local text, problem = PY.read_file(path)
      if not text then error("Error: Reading Lua file: " .. problem, 2) end
      local chunk, wrong = load_text(text, "@" .. path)
      if not chunk then error("Error: Running Lua file: " .. wrong, 2) end
      chunk()
    end
  end
end

function PY.threadRequest(id, code, is_json)
  local started, results = PY.get_time(), nil
  local function run()
    if not is_json then return assert(load_text(code, "=(request)"))() end
    local asked = assert(json.decode(code))
    local owner = globals
    if asked.module then owner = globals[asked.module] or require(asked.module) end
    return owner[asked["function"]](unpack(asked.args or {}))
  end
  local function took(ok, ...)
    results = {success = ok, execution_time = PY.get_time() - started}
    if not ok then results.error = tostring((...))
    elseif select("#", ...) > 1 then results.result = {...}
    else results.result = (...) end
  end
  took(pcall(run))
  if PY.threadRequestResult then PY.threadRequestResult(id, results) end
end

function PY.fibaroApiHook() return nil, 503 end
function PY.fibaroapi() return nil, 501 end
PY["os.exit"] = os.exit
function PY.getConfig() return {} end

-- ---- Python ----------------------------------------------------------------------------------------------------------

PY.loadPythonModule = later("system.load_module")

function PY.import_module(name)
  local found = PY.loadPythonModule(name)
  if found.error and type(found.error) == "string" then return nil end
  return found
end

function PY.list_extensions()
  local names = {}
  for name, value in pairs(PY) do
    if type(value) == "function" then names[#names + 1] = name end
  end
  table.sort(names)
  print(concat(names, "\n"))
end

-- ---- blocking TCP ----------------------------------------------------------------------------------------------------

do
  local function of(name)
    local call = later("sockets." .. name)
    return function(...)
      local found = call(...)
      return found[1], found[2], found[3]
    end
  end
  local read, connect = later("sockets.read"), of("connect")
  function PY.tcp_connect_sync(host, port) return connect(tostring(host), port) end
  PY.tcp_write_sync = of("write")
  function PY.tcp_read_sync(connection, pattern)
    local found = read(connection, pattern == nil and "*l" or pattern)
    if found[1] then return true, found[2], nil end
    local partial = found[3]
    return false, nil, partial ~= "" and partial or found[4]
  end
  PY.tcp_set_timeout_sync, PY.tcp_get_timeout_sync, PY.tcp_close_sync = of("set_limit"), of("get_limit"), of("close")
  local until_ = of("read_until")
  function PY.tcp_read_until_sync(connection, delimiter, max) return until_(connection, delimiter, max or 8192) end
  PY.get_socket_connection_count, PY.close_all_socket_connections = later("sockets.count"), later("sockets.close_all")

  local listen = later("sockets.listen")
  function PY.tcp_server_create_sync(host, port) return listen(host, port) end
  local accept, write = of("accept"), PY.tcp_write_sync
  function PY.tcp_server_accept_sync(server, timeout)
    local ok, client, message = accept(server, timeout or 10)
    return {success = ok, client_id = client, message = message}
  end
  function PY.tcp_connect_to_sync_server(host, port)
    local ok, client, message = PY.tcp_connect_sync(host, port)
    return {success = ok, client_id = client, message = message}
  end
  function PY.tcp_write_sync_client(client, data)
    local ok, sent, message = write(client, data)
    return {success = ok, bytes_written = sent, message = message}
  end
  function PY.tcp_read_sync_client(client, max)
    local found = read(client, max or 1024, false)
    return {success = found[1], data = found[2], message = found[4]}
  end
  function PY.tcp_close_sync_client(client) return (PY.tcp_close_sync(client)) end
  PY.tcp_server_close_sync = PY.tcp_close_sync_client
  PY.tcp_server_port_sync = later("sockets.port_of")

  local api
  function PY.sync_api_setup_server(host, port)
    PY.sync_api_close()
    local ok, connection = PY.tcp_connect_sync(host, port)
    api = ok and connection or nil
    return ok
  end
  function PY.sync_api_send(message, timeout)
    if not api then return false, nil, "Not connected" end
    PY.tcp_set_timeout_sync(api, timeout or 5)
    local ok, _, problem = write(api, message .. "\n")
    if not ok then return false, nil, problem end
    local found = read(api, "*l")
    return found[1], found[2], found[4]
  end
  function PY.sync_api_close()
    if api then PY.tcp_close_sync(api) end
    api = nil
  end
end

-- ---- tables and the network ------------------------------------------------------------------------------------------

local TABLES = {
  config = function() return py("system.config")() end,
  mobdebug = function() return D.part("mobdebug", {}) end,
  args = function() return {debug = false, port = 0, host = "127.0.0.1"} end,
  mainfile = function() return arg and arg[0] end,
  pluaconfig = function()
    local merged = {}
    for _, folder in next, {os.getenv("HOME") or "", "."} do
      local path = folder .. "/.plua.lua"
      local text = PY.read_file(path)
      local chunk, problem = nil, nil
      if text then chunk, problem = load_text(text, "@" .. path) end
      local ok, found = pcall(chunk or function() return problem end)
      if problem or not ok then io.stderr:write("Error in " .. path .. ": " .. tostring(found) .. "\n") end
      for key, value in next, ok and type(found) == "table" and found or {} do merged[key] = value end
    end
    return merged
  end,
}

local function load_network()
  setmetatable(PY, nil)
  D.part("pynet", PY)
  for name, make in next, TABLES do
    if PY[name] == nil then PY[name] = make() end
  end
end

setmetatable(PY, {
  __index = function(_, name)
    if TABLES[name] then
      local value = TABLES[name]()
      rawset(PY, name, value)
      return value
    end
    if name == "mainHook" or name == "threadRequestResult" then return nil end
    load_network()
    return PY[name]
  end,
  __pairs = function()
    load_network()
    return next, PY, nil
  end,
})
