-- Makes a script stoppable where lupa's Lua cannot load libraries, as when lupa was built from source: every coroutine
-- asks now and then whether it is to stop. It costs about half the speed, so it is the second choice.
local is_target = ...
local PERIOD = 100000 -- VM instructions
local create, resume, sethook, error = coroutine.create, coroutine.resume, debug.sethook, error

local function poll()
  if is_target() then error("interrupted", 0) end
end

function coroutine.create(body)
  local co = create(body)
  sethook(co, poll, "", PERIOD)
  return co
end

local function passed_on(ok, ...)
  if ok then return ... end
  error((...), 0)
end

function coroutine.wrap(body)
  local co = coroutine.create(body)
  return function(...) return passed_on(resume(co, ...)) end
end

sethook(poll, "", PERIOD)
