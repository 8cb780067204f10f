-- Names consumers whose lease has lapsed. Clamps lease ends that a jump of the clock left too far in the future.
local me, lease = ARGV[2], tonumber(ARGV[3])
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'consumers', string.format('(%.6f', now + lease), '+inf', 'LIMIT', 0, 100)) do
  local own = tonumber(call('HGET', P .. 'consumer:' .. id, 'lease') or '') or lease
  local ends = tonumber(call('ZSCORE', P .. 'consumers', id))
  if ends > now + own then call('ZADD', P .. 'consumers', string.format('%.6f', now + own), id) end
end
local found = {}
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'consumers', '-inf', now_text, 'LIMIT', 0, 100)) do
  if id ~= me then found[#found + 1] = id end
end
return found
