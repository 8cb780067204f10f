-- Finds joins that are complete and that nobody sees to, and claims them.
-- KEYS[1] lists joins by when something happened to them. ARGV: prefix of keys, prefix of own keys, now, before when,
-- seconds of the claim, limit, whether ordered. What cannot go on is looked at again later; what is gone is forgotten.
local all, call, found = KEYS[1], redis.call, {}
local keys, owns, now, before, claim_for, limit, ordered = unpack(ARGV)
for _, group in ipairs(call('ZRANGEBYSCORE', all, '-inf', before, 'LIMIT', 0, limit)) do
  local key, own = keys .. group, owns .. group
  if call('EXISTS', key .. '.j') == 0 then
    call('ZREM', all, group)
    call('DEL', own)
  else
    local size = call('GET', key .. '.s')
    local count = call(ordered == '' and 'LLEN' or 'ZCARD', key .. '.j')
    local due = size and count >= size + (tonumber(call('GET', key .. '.t') or '') or 0)
    call('ZADD', all, now, group)
    if due and call('SET', key .. '.c', 'umbel:sweeper', 'NX', 'EX', claim_for) then
      local parts = call(ordered == '' and 'LRANGE' or 'ZRANGE', key .. '.j', 0, -1)
      found[#found + 1] = {group, call('HGET', own, 'body') or '', parts, call('GET', key) or ''}
    end
  end
end
return found
