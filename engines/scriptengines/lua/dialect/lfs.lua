-- lfs, as LuaFileSystem has it: what fails gives nil, a message and its number.
local D, lfs = ...
local run = D.py("folders.run")
local type, error, unpack = type, error, table.unpack or unpack

local function call(name, ...)
  local found = run(name, ...)
  if found[1] then return found[2] end
  return nil, found[2], found[3]
end
D.folders = call

local function attributes(function_name)
  return function(path, wanted)
    local found, message, number = call(function_name, path)
    if not found then return nil, message, number end
    if type(wanted) == "string" then
      if found[wanted] == nil and wanted ~= "target" then
        error("bad argument #2 to '" .. function_name .. "' (invalid attribute name '" .. wanted .. "')", 2)
      end
      return found[wanted]
    end
    if type(wanted) ~= "table" then return found end
    for name, value in next, found do wanted[name] = value end
    return wanted
  end
end

lfs.attributes = attributes("attributes")
lfs.symlinkattributes = attributes("symlinkattributes")
function lfs.currentdir() return call("currentdir") end
for _, name in next, {"chdir", "mkdir", "rmdir"} do
  lfs[name] = function(path) return call(name, path) end
end
function lfs.touch(path, accessed, changed)
  if accessed == nil then return call("touch", path) end
  return call("touch", path, accessed, changed or accessed)
end
function lfs.link(old, new, symbolic) return call("link", old, new, symbolic and true or false) end

local Folder = {}
Folder.__index = Folder
function Folder:next()
  local names = self.names
  if not names then error("closed directory", 2) end
  self.at = self.at + 1
  if names[self.at] == nil then self.names = nil end
  return names and names[self.at]
end
function Folder:close() self.names = nil end
Folder.__close = Folder.close

-- Names without "." and "..".
function lfs.dir(path)
  local names, message = call("names", path)
  if not names then error("cannot open " .. message, 2) end
  local folder = setmetatable({names = names, at = 0}, Folder)
  return folder.next, folder, nil, folder
end

local Lock = {}
Lock.__index = Lock
function Lock:free()
  if self.path then call("free", self.path) end
  self.path = nil
end
Lock.__close = Lock.free

function lfs.lock_dir(path, stale)
  local where, message
  if stale == nil then where, message = call("lock_dir", path) else where, message = call("lock_dir", path, stale) end
  if not where then return nil, message end
  return setmetatable({path = where}, Lock)
end

function lfs.setmode() return true, "binary" end
function lfs.lock() return true end
function lfs.unlock() return true end
lfs._VERSION = "LuaFileSystem 1.8.0"
return lfs
