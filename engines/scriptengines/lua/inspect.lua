-- Looks into a Lua state for a front end; loaded when first asked for. Runs no code of the script, except in get and set.
local stock, OWN, raw_step = ...

local concat, select, type, tostring, format = table.concat, select, type, tostring, string.format
local next, rawget, getmetatable = next, rawget, getmetatable
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

local function get(...)
  local value = globals
  for i = 1, select("#", ...) do value = value[select(i, ...)] end
  return value
end

local function set(value, key, ...) -- value, last key, keys of the way there
  get(...)[key] = value
end

return {variables = variables, functions = functions, candidates = candidates, get = get, set = set}
