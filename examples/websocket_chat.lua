-- A chat room with a page and a websocket on one port: open http://127.0.0.1:8080/ in two windows.
local page = [[<!doctype html><title>chat</title><ul id=all></ul><input id=text autofocus><script>
const ws = new WebSocket(`ws://${location.host}/room/browser`), all = document.getElementById("all")
ws.onmessage = event => all.append(Object.assign(document.createElement("li"), {textContent: event.data}))
text.onchange = () => { ws.send(text.value); text.value = "" }
</script>]]

local server = host.http_serve("127.0.0.1", tonumber(arg[1] or 8080), {["GET /"] = function() return page end})
local room
room = server:websocket("/room/{name}", {
  connected = function(ws) room:broadcast(ws.params.name .. " is here") end,
  message = function(ws, text) room:broadcast(ws.params.name .. ": " .. text) end,
  closed = function(ws) room:broadcast(ws.params.name .. " has left") end,
})
host.log("listening on http://127.0.0.1:" .. server.port .. "/")
