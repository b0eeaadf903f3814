-- Looks into a Lua state for a front end; loaded when first asked for. Runs no code of the script, except in get, set,
-- look and assign: tables are read raw, and the library functions are those of before the script came.
local stock, OWN, raw_step, library, describe_object, object = ...

local concat, sort = library.table.concat, library.table.sort
local sub, byte, find, gsub, format = library.string.sub, library.string.byte, library.string.find, library.string.gsub, library.string.format
local select, type, tostring, tonumber, next, pairs_of = select, library.type, library.tostring, library.tonumber, library.next, library.pairs
local rawget, rawequal, rawset = library.rawget, library.rawequal, library.rawset
local rawlen = library.rawlen or function(value) return #value end -- in 5.1, # never asks the metatable of a table
local number_type, min, floor = library.math.type or type, library.math.min, library.math.floor
local debug, getmetatable = library.debug, library.debug.getmetatable
local getinfo, getlocal, getupvalue, upvalueid = debug.getinfo, debug.getlocal, debug.getupvalue, debug.upvalueid
local create, resume, yield, status = library.coroutine.create, library.coroutine.resume, library.coroutine.yield, library.coroutine.status
local io_type = library.io.type
local pcall = library.pcall
local globals = _G
local OBJECT = getmetatable(object) -- of what is a Python object

local MAX_ENTRIES, MAX_TEXT, MAX_KEY, MAX_COUNT, MAX_DEPTH = 20, 200, 60, 1000, 32
local MAX_FUNCTIONS, MAX_UPVALUES, SLICE = 500, 200, 400
local FIELD = "\0\1" -- between two values; no text has it
local MORE, METATABLE, STATE, UPVALUES = "\0more", "\0metatable", "host.state", "(upvalues)"
local short

-- ---- texts ---------------------------------------------------------------------------------------------------------

local function short_table(value)
  local texts, size, length, count, key, item = {}, 0, rawlen(value), 0, nil, nil
  for _ = 1, MAX_ENTRIES do
    if size > MAX_TEXT then break end
    key, item = next(value, key)
    if key == nil then break end
    count = count + 1
    local text = type(item) == "table" and (next(item) == nil and "{}" or "{…}") or short(item, 40)
    if key ~= count then
      text = (type(key) == "string" and sub(key, 1, 40) or "[" .. short(key, 40) .. "]") .. " = " .. text
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

local function base_name(source) return gsub(sub(source, 2), "^.*/", "") end

local function short_function(value)
  local info = getinfo(value, "S")
  if info.what ~= "Lua" then return "function" end
  local place = gsub(info.short_src, "^.*/", "")
  return "function at " .. place .. ":" .. info.linedefined
end

-- Where a coroutine is.
local function short_thread(value)
  local state, level = status(value), 0
  while state ~= "dead" and level < 20 do
    local info = getinfo(value, level, "Sl")
    if not info then break end
    if info.what ~= "C" and info.source ~= OWN then
      local place = gsub(info.short_src, "^.*/", "")
      return "coroutine, " .. state .. " at " .. place .. ":" .. info.currentline
    end
    level = level + 1
  end
  return "coroutine, " .. state
end

-- Type and text of what is neither of Lua's simple values nor a table.
local function short_userdata(value)
  if OBJECT and rawequal(getmetatable(value), OBJECT) then
    local found = describe_object(value)
    return found[1], found[2]
  end
  local opened = io_type(value)
  if opened then return "file", opened end
  local meta = getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return "userdata", type(name) == "string" and short(sub(name, 1, MAX_KEY), MAX_KEY) or "userdata"
end

-- Bounded text and size of a value.
function short(value, limit)
  local kind = type(value)
  if kind == "string" then
    local text = gsub(format("%q", sub(value, 1, limit)), "\\\n", "\\n")
    return #value > limit and text .. "…" or text, #value
  elseif kind == "number" or kind == "boolean" or kind == "nil" then
    return tostring(value), nil
  elseif kind == "table" then
    if limit == MAX_TEXT then return short_table(value) end
    return next(value) == nil and "{}" or "{…}", nil
  elseif kind == "userdata" then
    local _, text = short_userdata(value)
    return sub(text, 1, limit), nil
  elseif limit == MAX_TEXT then
    return kind == "function" and short_function(value) or kind == "thread" and short_thread(value) or kind, nil
  end
  return kind, nil
end

local function kind_of(value)
  local kind = number_type(value) or type(value)
  if kind == "userdata" then return (short_userdata(value)) end
  return kind == "thread" and "coroutine" or kind
end

-- ---- steps ---------------------------------------------------------------------------------------------------------

-- How a key is told to the outside, and how Lua writes it.
local function step_of(key)
  if type(key) == "string" then
    local plain = #key < MAX_TEXT and not find(key, "\0", 1, true)
    local label = find(key, "^[%a_][%w_]*$") and #key < MAX_TEXT and "." .. key or "[" .. short(key, MAX_KEY) .. "]"
    return plain and key or "\0" .. label, label
  end
  local label = "[" .. short(key, MAX_KEY) .. "]"
  if type(key) == "number" and key == floor(key) and key > -2^53 and key < 2^53 then return key, label end
  if type(key) ~= "number" and type(key) ~= "boolean" then label = "[" .. sub(tostring(type(key)), 1, MAX_KEY) .. "]" end
  return "\0" .. label, label
end

-- Whole numbers first, in order, then names, then the rest.
local function before(a, b)
  local left, right = a[1], b[1]
  local first, second = type(left) == "number", type(right) == "number"
  if first ~= second then return first end
  return left < right
end

local function upvalues(value, found)
  for i = 1, MAX_UPVALUES do
    local name, item = getupvalue(value, i)
    if not name then break end
    if name ~= "" and name ~= "_ENV" then found[#found + 1] = {name, name, item, i} end
  end
  return found
end

local function locals_of(co, found)
  for level = 0, 20 do
    local info = status(co) ~= "dead" and getinfo(co, level, "S") or nil
    if not info then break end
    if info.what ~= "C" and info.source ~= OWN then
      for i = 1, MAX_UPVALUES do
        local name, item = getlocal(co, level, i)
        if not name then break end
        if byte(name) ~= 40 then found[#found + 1] = {name, name, item, i, level} end -- 40 is "("
      end
      break
    end
  end
  return found
end

-- What is inside a value: at most `limit` of {step, label, value}, and how many there are besides.
local function children(value, limit)
  local kind, found = type(value), {}
  if kind == "function" then return upvalues(value, found), 0 end
  if kind == "thread" then return locals_of(value, found), 0 end
  if kind ~= "table" then return found, 0 end
  local count, key, item = 0, nil, nil
  local seen = {}
  while count < limit do
    key, item = next(value, key)
    if key == nil then break end
    count = count + 1
    local step, label = step_of(key)
    if byte(step) == 0 and type(step) == "string" then -- tables and the like look all the same
      seen[step] = (seen[step] or 0) + 1
      if seen[step] > 1 then
        label = label .. " " .. seen[step]
        step = step .. " " .. seen[step]
      end
    end
    found[count] = {step, label, item, key}
  end
  local total = count
  while key ~= nil and total < limit + MAX_COUNT do
    key = next(value, key)
    if key ~= nil then total = total + 1 end
  end
  local length = rawlen(value)
  if length > total then total = length end
  sort(found, before)
  local meta = getmetatable(value)
  if type(meta) == "table" then found[#found + 1] = {METATABLE, "(metatable)", meta} end
  return found, total - count
end

local function has_children(value)
  local kind = type(value)
  if kind == "table" then return next(value) ~= nil or type(getmetatable(value)) == "table" end
  if kind == "function" then return getupvalue(value, 2) ~= nil or #upvalues(value, {}) > 0 end
  return kind == "thread" and #locals_of(value, {}) > 0
end

-- ---- rows ----------------------------------------------------------------------------------------------------------

-- The local variables that global functions use, and the functions these use, each once.
local function captured()
  local found, seen, names, waiting = {}, {}, {}, {}
  local function consider(value)
    if type(value) == "function" and #waiting < MAX_FUNCTIONS and not seen[value] then
      seen[value] = true
      waiting[#waiting + 1] = value
    end
  end
  local function search(container)
    local name, value
    for _ = 1, MAX_FUNCTIONS do
      name, value = next(container, name)
      if name == nil then return end
      if type(name) == "string" then consider(value) end
    end
  end
  local kept = {}
  for name, value in next, globals do
    if type(name) == "string" and not stock[name] then
      if type(value) == "function" then kept[#kept + 1] = name end
      if type(value) == "table" and not rawequal(value, globals) and #kept < MAX_FUNCTIONS then kept[#kept + 1] = name end
    end
  end
  sort(kept)
  for i = 1, #kept do
    local value = rawget(globals, kept[i])
    if type(value) == "table" then search(value) else consider(value) end
  end
  local at = 1
  while waiting[at] and #found < MAX_UPVALUES do
    local value = waiting[at]
    at = at + 1
    local info = getinfo(value, "S")
    if info.what == "Lua" and info.source ~= OWN then
      for _, each in next, upvalues(value, {}) do
        local name, item = each[2], each[3]
        -- 5.1 does not tell which functions share one.
        local id = upvalueid and upvalueid(value, each[4]) or name .. "\0" .. tostring(item)
        if not seen[id] then
          seen[id] = true
          consider(item)
          if type(item) ~= "function" then
            local label = name
            names[name] = (names[name] or 0) + 1
            if names[name] > 1 then label = name .. " " .. names[name] end
            found[#found + 1] = {label, label, item, value, each[4]}
          end
        end
      end
    end
  end
  sort(found, before)
  return found
end

local names, is_name = {}, {}

-- The names of the script's global variables, in order; sorted again only when there are others.
local function top_level(limit)
  local count, same = 0, true
  for name, value in next, globals do
    if type(name) == "string" and not stock[name] and type(value) ~= "function" then
      count = count + 1
      same = same and is_name[name] == true
      if count >= 20 * limit then break end
    end
  end
  if same and count == #names then return names end
  names, is_name = {}, {}
  for name, value in next, globals do
    if type(name) == "string" and not stock[name] and type(value) ~= "function" then
      names[#names + 1], is_name[name] = name, true
      if #names >= count then break end
    end
  end
  sort(names)
  return names
end

local function group_text(found)
  local texts, size = {}, 0
  for i = 1, #found do
    if size > MAX_TEXT then break end
    texts[i] = found[i][2] .. " = " .. (short(found[i][3], 40))
    size = size + #texts[i]
  end
  return concat(texts, ", ")
end

-- The rows of one look, as texts of many rows: depth, step, label, type, text, size, flags. A long text crosses faster than
-- many values, and tells at once that nothing has changed. A coroutine, so that the script can go on in between.
local function walk(limit, opened, deep)
  local parts, n, total, above = {}, 0, 0, {}
  local function emit(depth, step, label, kind, text, size, flags)
    parts[n + 1], parts[n + 2] = depth, type(step) == "number" and format("#%d", step) or "=" .. step
    parts[n + 3], parts[n + 4], parts[n + 5] = label, kind, text
    parts[n + 6], parts[n + 7] = size or -1, flags
    n, total = n + 7, total + 1
    if n >= 7 * SLICE then
      local rows = concat(parts, FIELD, 1, n)
      n = 0
      yield(rows)
    end
  end
  local add_all
  local function add(depth, step, label, value, opened_here)
    local text, size = short(value, MAX_TEXT)
    local flags = depth < MAX_DEPTH and has_children(value) and 1 or 0
    local inside = flags == 1 and rawget(opened_here, step) or nil
    if flags == 1 and not inside and depth < deep and type(value) == "table" and not above[value] then inside = {100, {}} end
    emit(depth, step, label, kind_of(value), text, size, inside and 3 or flags)
    if not inside then return end
    above[value] = true
    local found, hidden = children(value, inside[1])
    add_all(depth + 1, found, inside[2])
    if hidden > 0 and total < limit then emit(depth + 1, MORE, "…", "", hidden .. " more", hidden, 0) end
    above[value] = nil
  end
  function add_all(depth, found, opened_here)
    for i = 1, #found do
      if total >= limit then return emit(depth, MORE, "…", "", "not read", #found - i + 1, 0) end
      add(depth, found[i][1], found[i][2], found[i][3], opened_here)
    end
  end
  local state = rawget(globals, "host")
  state = type(state) == "table" and rawget(state, "state") or nil
  if type(state) == "table" and next(state) ~= nil then add(0, STATE, STATE, state, opened) end
  local found = top_level(limit)
  for i = 1, #found do
    local name = found[i]
    if total >= limit then
      emit(0, MORE, "…", "", "not read", #found - i + 1, 0)
      break
    end
    local plain = #name < MAX_TEXT and not find(name, "\0", 1, true)
    add(0, plain and name or "\0" .. short(name, MAX_KEY), plain and name or short(name, MAX_KEY), rawget(globals, name), opened)
  end
  found = captured()
  if #found > 0 and total < limit then
    local inside = rawget(opened, UPVALUES) or (deep > 0 and {100, {}}) or nil
    emit(0, UPVALUES, UPVALUES, "upvalues", group_text(found), #found, inside and 3 or 1)
    if inside then add_all(1, found, inside[2]) end
  end
  return concat(parts, FIELD, 1, n)
end

local look_under_way

-- The next rows, and whether there are more to come.
local function variables(limit, opened, deep)
  if limit then look_under_way = create(walk) end
  local ok, rows = resume(look_under_way, limit, opened, deep)
  local more = ok and status(look_under_way) == "suspended"
  if not more then look_under_way = nil end
  if not ok then return "", false end
  return rows, more
end

-- ---- changing ------------------------------------------------------------------------------------------------------

local function found_at(value, step, limit)
  if type(value) == "table" and not (type(step) == "string" and byte(step) == 0) then
    local item = rawget(value, step)
    return item ~= nil and {step, step, item, step} or nil
  end
  local found = children(value, limit)
  for i = 1, #found do
    if rawequal(found[i][1], step) then return found[i] end
  end
end

local function gone(step) return "there is no " .. gsub(tostring(step), "%z", "") .. " any more" end

-- Puts a value at a path; gives back what is wrong, or nil.
local function put(value, ...)
  local count, first = select("#", ...), ...
  local owner, start = globals, 1
  if first == STATE then
    if count == 1 then return STATE .. " cannot be replaced; change what is in it" end
    owner, start = rawget(rawget(globals, "host"), "state"), 2
  elseif first == UPVALUES then
    if count == 1 then return UPVALUES .. " cannot be replaced; change what is in it" end
    local found
    for _, each in next, captured() do
      if each[1] == select(2, ...) then found = each end
    end
    if not found then return gone((select(2, ...))) end
    if count == 2 then
      debug.setupvalue(found[4], found[5], value)
      return nil
    end
    owner, start = found[3], 3
  end
  for i = start, count - 1 do
    local found = found_at(owner, (select(i, ...)), 20000)
    if not found then return gone((select(i, ...))) end
    owner = found[3]
  end
  local last = select(count, ...)
  if last == METATABLE then
    debug.setmetatable(owner, value)
  elseif type(owner) == "table" then
    local found = found_at(owner, last, 20000)
    local key = found and found[4]
    if key == nil then key = last end
    rawset(owner, key, value)
  elseif type(owner) == "function" then
    local found = found_at(owner, last)
    if not found then return gone(last) end
    debug.setupvalue(owner, found[4], value)
  elseif type(owner) == "thread" then
    local found = found_at(owner, last)
    if not found then return gone(last) end
    debug.setlocal(owner, found[5], found[4], value)
  else
    return "what a " .. type(owner) .. " holds cannot be changed from here"
  end
end

-- Type, text and size of what a function gives.
local function look(chunk)
  local value = chunk()
  local text, size = short(value, MAX_TEXT)
  return {kind_of(value), text, size or -1}
end

local function assign(chunk, ...) return put(chunk(), ...) end

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
        fits = kind == "string" and sub(key, 1, #prefix) == prefix and find(key, "^[%a_][%w_]*$")
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
  local text = gsub(format("%q", sub(value, 1, MAX_STRING)), "\\\n", "\\n")
  text = gsub(gsub(text, "\r", "\\r"), "%z", "\\0")
  return #value > MAX_STRING and text .. "…" or text
end

local function label_of(key, count)
  if key == count then return "" end
  if type(key) == "string" then
    if find(key, "^[%a_][%w_]*$") then return key .. " = " end
    return "[" .. quoted(sub(key, 1, 200)) .. "] = "
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
    text = ok and type(found) == "string" and sub(found, 1, MAX_STRING) or "<" .. kind .. " without a text>"
    if kind == "function" then
      local parameters, line, source = describe_function(value)
      if line > 0 then text = "function" .. parameters .. " " .. gsub(gsub(source, "^[@=]", ""), "^.*/", "") .. ":" .. line end
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

return {
  variables = variables, functions = functions, candidates = candidates, interact = interact,
  get = get, set = set, look = look, assign = assign,
}
