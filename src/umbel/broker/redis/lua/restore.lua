-- Puts one message of a lost Celery worker back: tag, the entry as it was read, then list and element for each destination.
-- Answers: a Celery worker that restores or acknowledges the same message meanwhile (the entry is compared first).
local unacked, index, tag, entry = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
if call('HGET', unacked, tag) ~= entry then return 0 end
for i = 6, #ARGV, 2 do call('LLEN', ARGV[i]) end
for i = 6, #ARGV, 2 do call('RPUSH', ARGV[i], ARGV[i + 1]) end
call('ZREM', index, tag)
return call('HDEL', unacked, tag)
