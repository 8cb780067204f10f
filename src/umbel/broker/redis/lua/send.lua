-- Publishes one message to whatever is bound to an exchange: target, how, name, element as in routing.lua.
local ok, problem = pcall(check_target, ARGV[2], ARGV[3], ARGV[4])
if not ok then return redis.error_reply(type(problem) == 'table' and problem.err or problem) end
send(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return 1
