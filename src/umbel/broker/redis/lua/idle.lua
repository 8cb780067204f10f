-- Takes a place among the waiters: armed (tracks the lists) for the first two, parked for the rest. Answers: 200 processes
-- that one message wakes all at once. Says whether there is anything to do now, and which place it is.
local id, group, seconds, version, lists = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], 6
local armed, idle, role = P .. 'armed:' .. group, P .. 'idle:' .. group, 'parked'
call('ZREMRANGEBYSCORE', armed, '-inf', now_text)
if call('ZSCORE', armed, id) or call('ZCARD', armed) < 2 then
  role = 'armed'
  call('ZREM', idle, id)
  call('ZADD', armed, string.format('%.6f', now + seconds), id)
else
  call('ZADD', idle, now_text, id)
end
local ttl = math.ceil(seconds * 1000)
call('PEXPIRE', armed, ttl)
call('PEXPIRE', idle, ttl)
call('SET', P .. 'wake:' .. id, role, 'PX', ttl)
local anything = (call('GET', P .. 'revoked:v') or '0') ~= version and 1 or 0
for i = lists, #ARGV do
  if call('LLEN', ARGV[i]) > 0 then anything = 1 end
end
return {anything, role}
