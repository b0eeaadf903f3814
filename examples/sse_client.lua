-- Listens to the server-sent events at the address in its first argument, and stops after three.
local count = 0
local stream
stream = host.http_stream(arg[1] or "http://127.0.0.1:8080/events", nil, {
  response = function(status, headers) host.log("status " .. status .. ", " .. headers["content-type"]) end,
  event = function(event)
    count = count + 1
    host.log(event.event .. ": " .. event.data)
    if count == 3 then stream:close() end
  end,
  closed = function(failure) host.log("closed" .. (failure and ", " .. failure or "")) end,
})
