-- mobdebug: the surface of a remote debugger, harmless where none can be reached.
local D, mobdebug = ...
local print, format, tostring = print, string.format, tostring

mobdebug._NAME, mobdebug._VERSION, mobdebug.port, mobdebug.checkcount = "mobdebug", "0.80", 8172, 200

local reachable = D.later("sockets.reachable")

local function harmless() end
for name in ("on off coro done pause setbreakpoint removebreakpoint listen loop connect logging basedir output scratchpad handle"):gmatch("%a+") do
  mobdebug[name] = harmless
end

-- This host does not speak the protocol of remote debuggers: a script goes on without.
function mobdebug.start(host, port)
  host, port = host or "localhost", port or mobdebug.port
  print(format("Could not connect to %s:%s: %s", tostring(host), tostring(port), reachable(tostring(host), port)))
end

function mobdebug.line(value) return D.json.encodeLua(value) end
mobdebug.dump = mobdebug.line
return mobdebug
