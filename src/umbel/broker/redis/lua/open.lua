-- Registers a consumer that says what it holds, at every connection. Answers: the reply to a claim that was lost on its way,
-- and a command of an older connection that arrives later than this one: each has a generation, and only the last counts.
-- Returns what of it is still recorded, after a 1 if nobody can have taken anything since the last time.
local id, lease, width, node, pid, group, queues, generation = unpack(ARGV, 2, 9)
local claims, held, kept, left, begun = P .. 'claims:' .. id, {}, {}, {}, {}
for i = 10, #ARGV do held[ARGV[i]] = true end
local consumer = P .. 'consumer:' .. id
if tonumber(call('HGET', consumer, 'generation') or '0') > tonumber(generation) then return {0, {}} end
local alone = call('ZSCORE', P .. 'consumers', id) and call('HEXISTS', consumer, 'adopted') == 0
renew(id, tonumber(lease))
call('HSET', consumer, 'node', node, 'pid', pid, 'width', width, 'lease', lease, 'group', group, 'queues', queues,
  'generation', generation)
call('HDEL', consumer, 'adopted')
call('EXPIRE', consumer, SIDE_TTL)
for _, field in ipairs(call('HKEYS', claims)) do
  if held[field] then
    kept[#kept + 1] = field
  elseif call('SISMEMBER', P .. 'begun:' .. id, field) == 1 then
    begun[#begun + 1] = field
  else
    left[#left + 1] = field
  end
end
all_to_front(claims, left)
-- What has begun never runs again. It was adopted, and the reply to that was lost: it is left behind once more.
if #begun > 0 then
  local lost = id .. ':' .. generation
  for i = 1, #begun do
    call('HSET', P .. 'claims:' .. lost, begun[i], call('HGET', claims, begun[i]))
    call('SADD', P .. 'begun:' .. lost, begun[i])
    call('HDEL', claims, begun[i])
    call('SREM', P .. 'begun:' .. id, begun[i])
  end
  call('HSET', P .. 'consumer:' .. lost, 'node', node, 'pid', pid, 'width', #begun)
  call('EXPIRE', P .. 'consumer:' .. lost, SIDE_TTL)
  call('ZADD', P .. 'consumers', now_text, lost)
end
return {alone and 1 or 0, kept}
