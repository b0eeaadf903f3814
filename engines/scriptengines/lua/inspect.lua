-- Looks into a Lua state for a front end; loaded when first asked for. Runs no code of the script, except in get and set.
local stock, OWN, raw_step = ...

local concat, select, type, tostring, format = table.concat, select, type, tostring, string.format
local next, rawget, rawset, rawequal, getmetatable = next, rawget, rawset, rawequal, getmetatable
local pcall = pcall
local rawlen = rawlen or function(value) return #value end -- in 5.1, # never asks the metatable of a table
local number_type, min, sort = math.type or type, math.min, table.sort
local getinfo, getlocal = debug.getinfo, debug.getlocal
local globals = _G

local MAX_ENTRIES, MAX_TEXT, MAX_COUNT = 20, 200, 1000
local short

local function short_table(value)
  local texts, size, length, count, key, item = {}, 0, rawlen(value), 0, nil, nil
  for _ = 1, MAX_ENTRIES do
    if size > MAX_TEXT then break end
    key, item = next(value, key)
    if key == nil then break end
    count = count + 1
    local text = type(item) == "table" and (next(item) == nil and "{}" or "{…}") or short(item, 40)
    if key ~= count then
      text = (type(key) == "string" and key:sub(1, 40) or "[" .. short(key, 40) .. "]") .. " = " .. text
    end
    texts[count], size = text, size + #text + 2
  end
  local more = count
  while key ~= nil and more < MAX_COUNT do
    key = next(value, key)
    if key ~= nil then more = more + 1 end
  end
  if length > more then more = length end
  if more > count then texts[count + 1] = "…" end
  return "{" .. concat(texts, ", ") .. "}", more
end

-- Bounded text and size of a value; runs no code of the script.
function short(value, limit)
  local kind = type(value)
  if kind == "string" then
    local text = format("%q", value:sub(1, limit)):gsub("\\\n", "\\n")
    return #value > limit and text .. "…" or text, #value
  elseif kind == "number" or kind == "boolean" or kind == "nil" then
    return tostring(value), nil
  elseif kind == "table" and limit == MAX_TEXT then
    return short_table(value)
  end
  return kind, nil
end

-- Flat, as one table crosses faster than many: name, type, text, size, name …
local function variables(limit)
  local names, rows = {}, {}
  for name, value in next, globals do
    if type(name) == "string" and not stock[name] and type(value) ~= "function" then
      names[#names + 1] = name
      if #names >= 20 * limit then break end
    end
  end
  sort(names)
  for i = 1, min(#names, limit) do
    local value = rawget(globals, names[i])
    local text, size = short(value, MAX_TEXT)
    local n = #rows
    rows[n + 1], rows[n + 2] = names[i], number_type(value) or type(value)
    rows[n + 3], rows[n + 4] = text, size or -1
  end
  return rows
end

-- name, signature, line, source, name …
local function functions()
  local rows = {}
  for name, value in next, globals do
    if type(name) == "string" and type(value) == "function" then
      local info = getinfo(value, "Su")
      if info.what == "Lua" and info.source ~= OWN then
        local parameters = {}
        for i = 1, info.nparams or 0 do parameters[i] = getlocal(value, i) end
        if info.isvararg then parameters[#parameters + 1] = "..." end
        local n = #rows
        -- 5.1 does not tell them.
        rows[n + 1], rows[n + 2] = name, info.nparams and "(" .. concat(parameters, ", ") .. ")" or ""
        rows[n + 3], rows[n + 4] = info.linedefined, info.source
      end
    end
  end
  return rows
end

-- What an expression stands for, by the keys on the way to it.
local function follow(...)
  local value = globals
  for i = 1, select("#", ...) do
    value = raw_step(value, (select(i, ...)))
    if value == nil then return nil end
  end
  return value
end

local function describe_function(value)
  local info = getinfo(value, "Su")
  if info.what == "C" then return "", 0, "" end
  local parameters = {}
  for i = 1, info.nparams or 0 do parameters[i] = getlocal(value, i) end
  if info.isvararg then parameters[#parameters + 1] = "..." end
  return info.nparams and "(" .. concat(parameters, ", ") .. ")" or "", info.linedefined, info.source
end

-- What begins with a prefix in a value and what it inherits from, flat: key, type, text or parameters, line, source …
-- `wanted` is "name" (identifiers only), "method" (functions only) or "key". Then its type, and itself if it is userdata.
local function candidates(wanted, prefix, limit, scanned, literal, ...)
  local value = globals
  if literal then value = "" else value = follow(...) end
  if value == nil then return nil end
  local rows, seen, looked = {}, {}, 0
  local function collect(owner)
    for key, item in next, owner do
      looked = looked + 1
      if looked > scanned or #rows >= 5 * limit then return end
      local kind, fits = type(key), false
      if wanted == "key" then
        fits = kind == "string" or kind == "number" or kind == "boolean"
      else
        fits = kind == "string" and key:sub(1, #prefix) == prefix and key:find("^[%a_][%w_]*$")
          and (wanted == "name" or type(item) == "function")
      end
      if fits and not seen[key] then
        seen[key] = true
        local n = #rows
        rows[n + 1], rows[n + 2] = key, number_type(item) or type(item)
        if type(item) == "function" then
          rows[n + 3], rows[n + 4], rows[n + 5] = describe_function(item)
        else
          rows[n + 3], rows[n + 4], rows[n + 5] = short(item, 60), 0, ""
        end
      end
    end
  end
  local owner = value
  for _ = 1, 20 do -- classes inherit through __index; nothing is as deep as that
    if type(owner) == "table" then collect(owner) end
    if wanted == "key" then break end
    local meta = getmetatable(owner)
    owner = type(meta) == "table" and rawget(meta, "__index") or nil
    if type(owner) ~= "table" then break end
  end
  return rows, type(value), type(value) == "userdata" and value or nil
end

-- ---- results of what somebody types -----------------------------------------------------------------------------

local MAX_ROWS, MAX_ITEMS, MAX_DEPTH, MAX_STRING = 2000, 100, 6, 10000

local function quoted(value)
  local text = format("%q", value:sub(1, MAX_STRING)):gsub("\\\n", "\\n"):gsub("\r", "\\r"):gsub("%z", "\\0")
  return #value > MAX_STRING and text .. "…" or text
end

local function label_of(key, count)
  if key == count then return "" end
  if type(key) == "string" then
    if key:find("^[%a_][%w_]*$") then return key .. " = " end
    return "[" .. quoted(key:sub(1, 200)) .. "] = "
  end
  return "[" .. tostring(key) .. "] = "
end

-- Keys of a table: those of its sequence in order, then the others, names sorted; at most MAX_ITEMS, and their number.
local function keys_of(value)
  local keys, names, count = {}, {}, 0
  while count < MAX_ITEMS and rawget(value, count + 1) ~= nil do
    count = count + 1
    keys[count] = count
  end
  local length, more, looked = rawlen(value), 0, 0
  for key in next, value do
    looked = looked + 1
    if looked > MAX_COUNT then break end
    if not (number_type(key) ~= "float" and type(key) == "number" and key >= 1 and key <= length and key % 1 == 0) then
      more = more + 1
      names[more] = key
    end
  end
  sort(names, function(a, b)
    if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then return a < b end
    return type(a) < type(b)
  end)
  for i = 1, more do
    if #keys >= MAX_ITEMS then break end
    keys[#keys + 1] = names[i]
  end
  return keys, (length > count and length or count) + more
end

-- Flat rows, as results.py describes them. `__tostring` is asked: this is part of running the input.
local function write(rows, depth, label, value, above)
  local kind, text, brackets, size, n = type(value), "", "", -1, #rows
  local function put(hidden)
    rows[n + 1], rows[n + 2], rows[n + 3], rows[n + 4] = depth, label, text, number_type(value) or kind
    rows[n + 5], rows[n + 6], rows[n + 7] = brackets, size, hidden
  end
  if kind == "string" then
    text, size = quoted(value), #value
    return put(0)
  end
  local meta = getmetatable(value)
  local own = kind == "table" and not (type(meta) == "table" and rawget(meta, "__tostring"))
  if not own then
    local ok, found = pcall(tostring, value)
    text = ok and type(found) == "string" and found:sub(1, MAX_STRING) or "<" .. kind .. " without a text>"
    if kind == "function" then
      local parameters, line, source = describe_function(value)
      if line > 0 then text = "function" .. parameters .. " " .. source:gsub("^[@=]", ""):match("[^/]*$") .. ":" .. line end
    end
  else
    brackets = "{}"
  end
  if kind ~= "table" then return put(0) end
  if above[value] then
    text, brackets = "{…}", ""
    return put(0)
  end
  local keys, total = keys_of(value)
  size = total
  put(0)
  if depth >= MAX_DEPTH then
    rows[n + 7] = total
    return
  end
  above[value] = true
  local told = 0
  for i = 1, #keys do
    if #rows >= 7 * MAX_ROWS then break end
    write(rows, depth + 1, label_of(keys[i], i), rawget(value, keys[i]), above)
    told = told + 1
  end
  above[value] = nil
  rows[n + 7] = total - told
end

local kept -- what `_` was set to here; another `_` is the script's own

local function results(...)
  local count, rows, some = select("#", ...), {}, false
  for i = 1, count do some = some or (select(i, ...)) ~= nil end
  if not some then return nil end
  if rawget(globals, "_") == nil or rawequal(rawget(globals, "_"), kept) then
    kept = (...)
    rawset(globals, "_", kept)
  end
  for i = 1, count do write(rows, 0, "", (select(i, ...)), {}) end
  return rows
end

local function interact(chunk) return results(chunk()) end

local function get(...)
  local value = globals
  for i = 1, select("#", ...) do value = value[select(i, ...)] end
  return value
end

local function set(value, key, ...) -- value, last key, keys of the way there
  get(...)[key] = value
end

return {variables = variables, functions = functions, candidates = candidates, interact = interact, get = get, set = set}
