-- Sends a datagram until it is answered: scriptconsole --batch examples/udp_ask.lua -- ADDRESS PORT TEXT

local socket = host.udp_open()
for try = 1, 3 do
  socket:send(arg[3], arg[1], tonumber(arg[2]))
  local ok, datagram = pcall(socket.receive, socket, 1000)
  if ok then
    print("try " .. try .. ": " .. datagram[1])
    break
  end
  print("try " .. try .. ": no answer")
end
socket:close()
