-- Returns a batch of delayed messages to their lists, where a Celery worker finds them with their ETA; how many are left.
-- Only with ARGV[2] = '1', or while nobody is registered and a Celery worker has been here.
local bindings = ARGV[3]
if ARGV[2] ~= '1' and (call('EXISTS', P .. 'consumers') == 1 or call('EXISTS', bindings) == 0) then return 0 end
for _, member in ipairs(call('ZRANGE', P .. 'delayed', 0, 255)) do
  local list, raw = split(member), call('HGET', P .. 'delayed:body', member)
  if raw then call('LPUSH', list, raw) end
  call('HDEL', P .. 'delayed:body', member)
  call('ZREM', P .. 'delayed', member)
  count_delayed(list, -1)
end
tell_next()
return call('ZCARD', P .. 'delayed')
