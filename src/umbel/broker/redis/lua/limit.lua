-- Reserves start times for a rate limit that all share (GCRA with a burst of one). Returns the first of them.
local name, interval, count = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local after = tonumber(call('ZSCORE', P .. 'rates', name) or '0')
local first = math.max(now, after)
local next = first + count * interval
call('ZADD', P .. 'rates', string.format('%.17g', next), name)
local ttl = math.ceil(next - now) + 60
if call('TTL', P .. 'rates') < ttl then call('EXPIRE', P .. 'rates', ttl) end
return first == now and now_text or string.format('%.17g', first)
