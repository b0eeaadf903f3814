-- Talks to the echo server in its first argument, with handlers.
host.websocket_connect(arg[1] or "ws://127.0.0.1:8765/", {
  connected = function(ws) ws:send("hello from Lua") end,
  message = function(ws, text)
    host.log("got " .. text)
    ws:close()
  end,
  closed = function(ws, code) host.log("closed " .. code) end,
  error = function(failure) host.error(failure) end,
})
