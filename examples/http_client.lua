-- Asks for the address in its first argument, in both styles: with a callback, and waiting in a coroutine.
local url = arg[1] or "http://127.0.0.1:8080/"

host.http_request(url, {timeout = 5000}, function(failure, answer)
  if failure then return host.error(failure) end
  host.log("called back: " .. answer.status .. " " .. answer.headers["content-type"])
end)

setTimeout(function()
  local answer = host.http_request(url, {method = "HEAD"})
  host.log("waited: " .. answer.status .. " " .. #answer.body .. " bytes")
  local ok, failure = pcall(host.http_request, "http://127.0.0.1:1/")
  host.log("caught: " .. tostring(ok) .. " " .. failure)
end, 0)
