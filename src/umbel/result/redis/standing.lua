-- How full a join is: its size (-1: not known), how many parts, how many of them failed, its state. Nothing for none.
-- KEYS[1] is celery-taskset-meta-<group>. ARGV: the key of Umbel's own, whether ordered.
local key, own, ordered, call = KEYS[1], ARGV[1], ARGV[2], redis.call
if call('GET', key .. '.c') == 'done' then return {-1, 0, 0, 'done'} end
local size, more = call('GET', key .. '.s'), tonumber(call('GET', key .. '.t') or '') or 0
local kept = call('HMGET', own, 'size', 'bad')
local parts = call(ordered == '' and 'LRANGE' or 'ZRANGE', key .. '.j', 0, -1)
if not size and not kept[1] and #parts == 0 then return false end
local failed = 0
for _, part in ipairs(parts) do
  if not string.find(part, '^%[1, ?"[^"]*", ?"SUCCESS"') then failed = failed + 1 end
end
return {tonumber(size or kept[1] or -1) + (size and more or 0), #parts, failed, kept[2] and 'failed' or 'open'}
