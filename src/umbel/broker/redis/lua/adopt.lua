-- Moves claims of the dead under own tickets, oldest first. Answers: a rescue of the living after an outage (quiet), and
-- everything that the dead one's last commands could still do (from the first move on it is fenced).
local dead, named, me, generation, serial, limit = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
if not live(me) then return redis.error_reply('FENCED the lease of the one who adopts has lapsed') end
local consumer, from, to = P .. 'consumer:' .. dead, P .. 'claims:' .. dead, P .. 'claims:' .. me
local ends = call('ZSCORE', P .. 'consumers', dead)
if not ends and call('EXISTS', from) == 0 then return {} end
local fields = call('HKEYS', from)
if #fields == 0 then
  if named == '1' or tonumber(ends) <= now then unregister(dead) end
  return {}
end
if named ~= '1' and (quiet() or (ends and tonumber(ends) > now)) then return {} end
table.sort(fields, function(a, b) return serial_of(a) < serial_of(b) end)
local told = call('HMGET', consumer, 'node', 'pid', 'width', 'stopping', 'adopted')
local moved = {}
for i = 1, math.min(#fields, limit) do
  local field, value = fields[i], call('HGET', from, fields[i])
  local own = generation .. ':' .. string.format('%d', serial + i - 1)
  local begun = call('SISMEMBER', P .. 'begun:' .. dead, field)
  call('HSET', to, own, value)
  if begun == 1 then call('SADD', P .. 'begun:' .. me, own) end
  call('HINCRBY', consumer, 'adopted', 1)
  call('HDEL', from, field)
  moved[i] = {field, begun, value}
end
call('EXPIRE', consumer, SIDE_TTL)
if not ends then call('ZADD', P .. 'consumers', now_text, dead) end
return {told[1] or '', told[2] or '', told[3] or '', told[4] or '', told[5] or '0', moved}
