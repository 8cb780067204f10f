-- Returns a batch of delayed messages to their lists, where a Celery worker finds them with their ETA; how many are left.
-- Only with ARGV[2] = '1', or while nobody is registered and a Celery worker has been here.
local bindings = ARGV[3]
if ARGV[2] ~= '1' and (call('EXISTS', P .. 'consumers') == 1 or call('EXISTS', bindings) == 0) then return 0 end
local before = call('ZCARD', P .. 'delayed')
move_delayed(call('ZRANGE', P .. 'delayed', 0, 255), 'LPUSH')
local left = call('ZCARD', P .. 'delayed')
return left < before and left or 0
