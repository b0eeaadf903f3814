-- Asks a server line by line: scriptconsole --batch examples/tcp_ask.lua -- HOST PORT QUESTION…

local function ask(address, port, ...)
  local connection = host.tcp_open(address, port, {timeout = 5000})
  for _, question in ipairs {...} do
    connection:write(question .. "\n")
    print(question .. ": " .. (connection:read_line({timeout = 5000}) or "no answer"))
  end
  connection:close()
end

local ok, problem = pcall(ask, arg[1], tonumber(arg[2]), select(3, ...))
if not ok then print("failed: " .. problem) end
