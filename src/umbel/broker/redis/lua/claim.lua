-- Renews a lease and moves messages from lists into its claims. Answers: a crash between a pop and its record loses messages.
local id, lease, limit, generation, serial = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local room, group, waited, refresh, lists = tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10], 11
if not live(id) or call('HGET', P .. 'consumer:' .. id, 'generation') ~= generation then return {1} end
renew(id, lease)
if refresh == '1' then call('EXPIRE', P .. 'consumer:' .. id, SIDE_TTL) end

local claims, got, found, bad = P .. 'claims:' .. id, 0, {}, false

-- The oldest elements of a list, as many as there is room for; the very first however large it is.
local function read(list)
  local raws, count, size, chunk = {}, 0, 0, 8
  while got + count < limit do
    chunk = math.min(chunk, limit - got - count)
    local part = redis.pcall('LRANGE', list, -(count + chunk), -(count + 1))
    if part.err then bad = part.err return raws, 0 end
    for i = #part, 1, -1 do
      local length = #part[i]
      if length > room and got + count > 0 then return raws, count end
      count = count + 1
      raws[count], room, size = part[i], room - length, size + length
    end
    if #part < chunk then break end
    chunk = math.max(1, math.floor(room / (size / count + 1)))
  end
  return raws, count
end

if limit > 0 then
  promote(math.min(limit, 64))
  for index = lists, #ARGV do
    if got >= limit or room <= 0 then break end
    local list = ARGV[index]
    local raws, count = read(list)
    if count > 0 then
      local fields, head = {}, list .. '\0'
      for i = 1, count do
        fields[2 * i - 1], fields[2 * i] = generation .. ':' .. string.format('%d', serial + i - 1), head .. raws[i]
      end
      call('HSET', claims, unpack(fields))
      call('LTRIM', list, 0, -(count + 1))
      serial, got = serial + count, got + count
      found[#found + 1] = index - lists
      found[#found + 1] = raws
    end
  end
end

-- Who takes work leaves its place among the waiters; who leaves work behind wakes the next.
local poked = waited == '1' and (got > 0 or limit == 0) and leave(group, id)
if not poked and got > 0 and got >= limit and call('EXISTS', P .. 'idle:' .. group) == 1 then
  for index = lists, #ARGV do
    if call('LLEN', ARGV[index]) > 0 then poke(group) break end
  end
end

local due = call('GET', P .. 'next')
return {0, tonumber(call('GET', P .. 'revoked:v') or '0'), due and string.format('%.6f', tonumber(due) - now) or '', found, bad or ''}
