-- Counts what is not in lists: delayed, claimed and dead messages by list, and the live consumers with their queues.
local claimed, dead, readers = {}, {}, {}
for _, id in ipairs(call('ZRANGE', P .. 'consumers', 0, -1)) do
  for _, value in ipairs(call('HVALS', P .. 'claims:' .. id)) do
    local list = split(value)
    claimed[list] = (claimed[list] or 0) + 1
  end
  if live(id) then readers[#readers + 1] = call('HGET', P .. 'consumer:' .. id, 'queues') or '' end
end
for _, member in ipairs(call('ZRANGEBYSCORE', P .. 'dead', string.format('%.6f', now - tonumber(ARGV[2])), '+inf')) do
  local _, rest = split(member)
  local _, list = split(rest)
  dead[list] = (dead[list] or 0) + 1
end
local function flat(counts)
  local pairs_of = {}
  for list, count in pairs(counts) do
    pairs_of[#pairs_of + 1] = list
    pairs_of[#pairs_of + 1] = count
  end
  return pairs_of
end
return {call('HGETALL', P .. 'delayed:count'), flat(claimed), flat(dead), readers}
