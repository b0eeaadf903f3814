-- json: strict JSON. Encoding is done here, as it asks for keys in a fixed order and for metatables; decoding in jsontext.py.
local D, json = ...

local type, tostring, tonumber, pairs, error, pcall = type, tostring, tonumber, pairs, error, pcall
local next, select, getmetatable, setmetatable, rawequal = next, select, getmetatable, setmetatable, rawequal
local format, find, gsub, rep = string.format, string.find, string.gsub, string.rep
local concat, sort, floor, huge = table.concat, table.sort, math.floor, math.huge
local number_type = math.type

local loads, explain = D.py("jsontext.loads"), D.py("jsontext.explain")
local is_text = D.version >= 5.4 and utf8.len or D.py("jsontext.is_text")

-- ---- decode ----------------------------------------------------------------------------------------------------------

function json.decode(text)
  if type(text) ~= "string" then return nil, "a JSON text must be a string, got " .. type(text) end
  local ok, value = pcall(loads, text)
  if ok then return value, nil end
  local told, again = pcall(explain, text, number_type ~= nil)
  if not told then return nil, (gsub(again, "^.-: ", "", 1)) end
  if again[1] then return again[2], nil end
  return nil, again[2]
end

-- ---- scalars ---------------------------------------------------------------------------------------------------------

local null = setmetatable({}, {
  __tostring = function() return "null" end,
  __newindex = function() error("json.null cannot be changed", 2) end,
  __metatable = "json.null",
})
json.null = null

local ESCAPES = setmetatable({
  ["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\", ["\127"] = "\127",
}, {__index = function(_, c) return format("\\u%04x", c:byte()) end})

local function quote(text)
  if find(text, '[%c"\\]') then text = gsub(text, '[%c"\\]', ESCAPES) end
  if find(text, "[\128-\255]") and not is_text(text) then error("a string that is not UTF-8 is not JSON", 0) end
  return '"' .. text .. '"'
end

local shortest = D.later("jsontext.shortest")

-- As short as it can be and still the same number when read again.
local function float(value)
  if value ~= value or value == huge or value == -huge then error(tostring(value) .. " is not JSON", 0) end
  local text = format("%.15g", value)
  if tonumber(text) ~= value or value < 2.3e-308 and value > -2.3e-308 and value ~= 0 then -- those near 0 have fewer digits
    text = shortest(value)
  end
  if find(text, "[.e]") then return text end
  return number_type and text .. ".0" or text
end

local function number(value)
  if number_type then
    if number_type(value) == "integer" then return format("%d", value) end
  elseif value == floor(value) and value < 1e15 and value > -1e15 then
    return format("%.0f", value)
  end
  return float(value)
end

local function key_text(key)
  local kind = type(key)
  if kind == "string" then return key end
  if kind == "number" and number_type and number_type(key) == "float" and (key ~= key or key == huge or key == -huge) then
    error(tostring(key) .. " is not JSON", 0)
  end
  local meta = getmetatable(key)
  if kind == "number" or kind == "boolean" or type(meta) == "table" and meta.__tostring then return tostring(key) end
  error("a key that is a " .. kind .. " is not JSON", 0)
end

local function scalar(value)
  local kind = type(value)
  if kind == "string" then return quote(value) end
  if kind == "number" then return number(value) end
  if kind == "boolean" then return value and "true" or "false" end
  if value == nil or value == null then return "null" end
  if kind ~= "table" then error("a " .. kind .. " is not JSON", 0) end
end

local function is_marked(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__isArray
end

local function enter(value, active)
  if active[value] then error("a table that contains itself is not JSON", 0) end
  active[value] = true
end

-- ---- encode: keys in a fixed order -----------------------------------------------------------------------------------

local FIRST, IS_FIRST = {}, {}
for name in ("type device deviceID id name properties value oldValue val key arg event events msg res"):gmatch("%a+") do
  FIRST[#FIRST + 1], IS_FIRST[name] = name, true
end

-- The keys of an object as they are written, and their values by that text.
local function sorted(value)
  local texts, values, count, has_first = {}, {}, 0, false
  for key, item in pairs(value) do
    local text = type(key) == "string" and key or key_text(key)
    if values[text] ~= nil then error(format("two of the keys are %q as text", text), 0) end
    values[text] = item
    if IS_FIRST[text] then
      has_first = true
    else
      count = count + 1
      texts[count] = text
    end
  end
  if count > 1 then sort(texts) end
  if not has_first then return texts, values, count end
  local all, n = {}, 0
  for i = 1, #FIRST do
    if values[FIRST[i]] ~= nil then
      n = n + 1
      all[n] = FIRST[i]
    end
  end
  for i = 1, count do all[n + i] = texts[i] end
  return all, values, n + count
end

local write

local function write_array(out, n, value, active)
  local length = #value
  n = n + 1
  out[n] = "["
  for i = 1, length do
    if i > 1 then
      n = n + 1
      out[n] = ","
    end
    n = write(out, n, value[i], active)
  end
  n = n + 1
  out[n] = "]"
  return n
end

local function write_object(out, n, value, active)
  local texts, values, count = sorted(value)
  if count == 0 then
    out[n + 1] = is_marked(value) and "[]" or "{}"
    return n + 1
  end
  for i = 1, count do
    out[n + 1] = (i == 1 and "{" or ",") .. quote(texts[i]) .. ":"
    n = write(out, n + 1, values[texts[i]], active)
  end
  out[n + 1] = "}"
  return n + 1
end

function write(out, n, value, active)
  local text = scalar(value)
  if text then
    out[n + 1] = text
    return n + 1
  end
  enter(value, active)
  n = ((value[1] or #value > 0) and write_array or write_object)(out, n, value, active)
  active[value] = nil
  return n
end

-- ---- encode2 and encodeFormated: keys as the table has them ----------------------------------------------------------

local function length_of(value) -- of an array: one whose keys are exactly 1..n
  local count = 0
  for key in pairs(value) do
    if type(key) ~= "number" then return nil end
    count = count + 1
  end
  for i = 1, count do
    if value[i] == nil then return nil end
  end
  return count
end

local function write_plain(out, value, active, indent, margin)
  local text = scalar(value)
  if text then
    out[#out + 1] = text
    return
  end
  enter(value, active)
  local length = length_of(value)
  local inner = indent and margin .. indent
  if length == 0 then
    out[#out + 1] = is_marked(value) and "[]" or "{}"
  else
    local separator = indent and ",\n" .. inner or ","
    local lead = (length and "[" or "{") .. (indent and "\n" .. inner or "")
    if length then
      for i = 1, length do
        out[#out + 1] = i == 1 and lead or separator
        write_plain(out, value[i], active, indent, inner)
      end
    else
      local seen = {}
      for key, item in pairs(value) do
        local name = key_text(key)
        if seen[name] then error(format("two of the keys are %q as text", name), 0) end
        seen[name] = true
        out[#out + 1] = lead .. quote(name) .. (indent and ": " or ":")
        lead = separator
        write_plain(out, item, active, indent, inner)
      end
    end
    out[#out + 1] = (indent and "\n" .. margin or "") .. (length and "]" or "}")
  end
  active[value] = nil
end

-- ---- encodeLua: for people to read -----------------------------------------------------------------------------------

local function write_lua(out, value, active)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = '"' .. gsub(value, '[%c"\\]', ESCAPES) .. '"'
  elseif value == nil or value == null then
    out[#out + 1] = "null"
  elseif kind ~= "table" then
    out[#out + 1] = tostring(value)
  elseif active[value] then
    out[#out + 1] = "..rec.."
  else
    active[value] = true
    out[#out + 1] = "{"
    if value[1] or #value > 0 then
      for i = 1, #value do
        if i > 1 then out[#out + 1] = "," end
        write_lua(out, value[i], active)
      end
    else
      local names, texts, values = {}, {}, {}
      for key, item in pairs(value) do
        local text, written = tostring(key), nil
        if type(key) ~= "string" then
          written = "[" .. text .. "]"
        elseif find(key, "^[%a_][%w_]*$") then
          written = key
        else
          written = '["' .. gsub(key, '[%c"\\]', ESCAPES) .. '"]'
        end
        names[written], values[written] = text, item
        texts[#texts + 1] = written
      end
      local rank = {}
      for i, name in next, FIRST do rank[name] = i end
      sort(texts, function(a, b)
        local one, other = rank[names[a]] or 1000, rank[names[b]] or 1000
        if one ~= other then return one < other end
        if names[a] ~= names[b] then return names[a] < names[b] end
        return a < b
      end)
      for i = 1, #texts do
        out[#out + 1] = (i > 1 and "," or "") .. texts[i] .. "="
        write_lua(out, values[texts[i]], active)
      end
    end
    out[#out + 1] = "}"
    active[value] = nil
  end
end

-- ---- the functions ---------------------------------------------------------------------------------------------------

local function finished(out, ok, problem)
  if not ok then error("json: " .. tostring(problem), 3) end
  return concat(out)
end

function json.encode(value)
  local out = {}
  return (finished(out, pcall(write, out, 0, value, {})))
end
json.encodeFast = json.encode

function json.encode2(value)
  local out = {}
  return (finished(out, pcall(write_plain, out, value, {}, nil, "")))
end

function json.encodeFormated(value, indent)
  local out = {}
  return (finished(out, pcall(write_plain, out, value, {}, rep(" ", type(indent) == "number" and indent or 2), "")))
end

function json.encodeLua(value)
  local out = {}
  write_lua(out, value, {})
  return concat(out)
end

function json.initArray(value) return setmetatable(value, {__isArray = true}) end
json.util = {InitArray = json.initArray}
