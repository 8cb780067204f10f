-- Registers a process before it starts. Answers: a last command of the dead, which must find no lease that it may use.
local id, lease, width = ARGV[2], tonumber(ARGV[3]), ARGV[4]
renew(id, lease)
call('HSET', P .. 'consumer:' .. id, 'node', '', 'pid', '', 'width', width, 'lease', ARGV[3], 'queues', '')
call('EXPIRE', P .. 'consumer:' .. id, SIDE_TTL)
return 1
