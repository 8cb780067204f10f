-- Deletes a bounded batch of what has expired (dead letters, also those over the limit; revocations; rates); how many.
local ttl, limit, most, count = tonumber(ARGV[2]), tonumber(ARGV[3]), 1000, 0
local function bury_deeper(members)
  for _, member in ipairs(members) do
    call('HDEL', P .. 'dead:body', (split(member)))
    call('ZREM', P .. 'dead', member)
    count = count + 1
  end
end
bury_deeper(call('ZRANGEBYSCORE', P .. 'dead', '-inf', string.format('(%.6f', now - ttl), 'LIMIT', 0, most))
local over = call('ZCARD', P .. 'dead') - limit
if over > 0 then bury_deeper(call('ZRANGE', P .. 'dead', 0, math.min(over, most) - 1)) end
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'revoked', '-inf', '(' .. now_text, 'LIMIT', 0, most)) do
  call('ZREM', P .. 'revoked', id)
  call('HDEL', P .. 'revoked:how', id)
  count = count + 1
end
return count + call('ZREMRANGEBYSCORE', P .. 'rates', '-inf', '(' .. now_text)
