-- class 'A' and class 'B'(A): classes as the dialect has them. The constructor is __init of that very class.
local rawget, rawset, setmetatable, error, type, globals = rawget, rawset, setmetatable, error, type, _G

local function construct(cls, ...)
  local init = rawget(cls, "__init")
  if not init then error("No constructor", 2) end
  local object = setmetatable({}, cls.__instance)
  init(object, ...)
  return object
end

local function class(name)
  if type(name) ~= "string" then error("the name of a class must be a string, got " .. type(name), 2) end
  local cls, meta = {__USERDATA = true}, {__call = construct}
  local instance = {__index = cls}
  function instance.__tostring(object)
    local own = cls.__tostring
    return own and own(object) or "object " .. name
  end
  function meta.__tostring() return "class " .. name end
  -- Metamethods that a class defines, or inherits, are those of its objects.
  function meta.__newindex(_, key, value)
    rawset(cls, key, value)
    if type(key) == "string" and key:sub(1, 2) == "__" and key ~= "__tostring" and key ~= "__index" and key ~= "__init" then
      instance[key] = value
    end
  end
  rawset(cls, "__instance", instance)
  setmetatable(cls, meta)
  rawset(globals, name, cls)
  return function(parent)
    if type(parent) ~= "table" then error("the parent of class " .. name .. " must be a class, got " .. type(parent), 2) end
    meta.__index = parent
    for key, value in next, rawget(parent, "__instance") or {} do
      if instance[key] == nil then instance[key] = value end
    end
    return cls
  end
end

return class
