-- Stores one result and tells who waits, unless the task is SUCCESS already.
-- KEYS[1] the result's key, which is its channel too; ARGV: seconds to live (0: for ever), the record's bytes.
local had = redis.call('GET', KEYS[1])
if had and says_success(had) then return 0 end
if ARGV[1] == '0' then
    redis.call('SET', KEYS[1], ARGV[2])
else
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[1])
end
redis.call('PUBLISH', KEYS[1], ARGV[2])
return 1
