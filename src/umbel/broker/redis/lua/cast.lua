-- Puts elements (or none) into a worker's copy of a broadcast queue. Unless this is said again in time, it is forgotten.
for i = 3, #ARGV do call('LPUSH', ARGV[2], ARGV[i]) end
call('EXPIRE', ARGV[2], CAST_TTL)
call('SET', ARGV[2] .. ':alive', 1, 'EX', 60)
