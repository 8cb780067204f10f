-- What every script begins with: the time, leases, lists and side keys. Names start with P; no envelope is ever decoded.
-- KEYS[1] is P; ARGV[1] is the time that a test passes, or '' for the server's own.
local P, call, byte, sub, find = KEYS[1], redis.call, string.byte, string.sub, string.find
local now_text = ARGV[1]
if now_text == '' then
  local time = call('TIME')
  now_text = time[1] .. '.' .. string.format('%06d', time[2])
end
local now = tonumber(now_text)
local CAST, CAST_TTL = P .. 'cast:', 86400 -- seconds that a worker's copies of broadcasts outlive its last sign
local SIDE_TTL = 604800 -- seconds that losses and their like outlive the last thing that happened to a message

-- A lease holds until its end, and only while nobody took over from its consumer.
local function live(id)
  local ends = call('ZSCORE', P .. 'consumers', id)
  return ends and tonumber(ends) > now and call('HEXISTS', P .. 'consumer:' .. id, 'adopted') == 0
end

-- Every renewal is a beat of the pulse. After a gap of half a lease nobody could renew: then nobody is rescued for one.
local function beat(lease)
  local pulse = tonumber(call('GET', P .. 'pulse') or '')
  local gap = pulse and math.abs(now - pulse) or (call('EXISTS', P .. 'consumers') == 1 and lease or 0)
  if gap > lease / 2 then
    call('SET', P .. 'quiet', string.format('%.6f', now + lease), 'EX', math.ceil(lease) + 1)
  end
  if not pulse or gap > lease / 20 then call('SET', P .. 'pulse', now_text, 'EX', 86400) end
end

local function renew(id, lease)
  beat(lease)
  call('ZADD', P .. 'consumers', string.format('%.6f', now + lease), id)
end

local function quiet()
  local till = call('GET', P .. 'quiet')
  return till and tonumber(till) > now
end

-- A claim is recorded as: list NUL element.
local function split(value)
  local at = find(value, '\0', 1, true)
  return sub(value, 1, at - 1), sub(value, at + 1)
end

-- JSON may begin with white space: a tab says that an element was handed back, a line feed that it has a side key, a
-- carriage return both.
local function bare(raw)
  local first = byte(raw, 1)
  if first == 9 or first == 10 or first == 13 then return sub(raw, 2), first end
  return raw, nil
end

local function marked(raw, how)
  local rest, first = bare(raw)
  if first and first ~= byte(how) then how = '\r' end
  return how .. rest
end

-- Onto a list. A worker's copies of broadcasts are forgotten in time, should their worker be gone.
local function push(how, list, raw)
  call(how, list, raw)
  if sub(list, 1, #CAST) == CAST then call('EXPIRE', list, CAST_TTL) end
end

local function to_front(claims, field)
  local value = call('HGET', claims, field)
  if not value then return 0 end
  local list, raw = split(value)
  push('RPUSH', list, marked(raw, '\t'))
  return call('HDEL', claims, field)
end

local function serial_of(field) return tonumber(sub(field, find(field, ':', 1, true) + 1)) end

-- Back to the front in such an order that the oldest ends up first.
local function all_to_front(claims, fields)
  table.sort(fields, function(a, b) return serial_of(a) > serial_of(b) end)
  local count = 0
  for i = 1, #fields do count = count + to_front(claims, fields[i]) end
  return count
end

-- The earliest due time has a key of its own, so that idle processes can track it.
local function tell_next()
  local first = call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
  if #first == 0 then
    call('DEL', P .. 'next')
  elseif call('GET', P .. 'next') ~= first[2] then
    call('SET', P .. 'next', first[2])
  end
end

local function count_delayed(list, by)
  if call('HINCRBY', P .. 'delayed:count', list, by) <= 0 then call('HDEL', P .. 'delayed:count', list) end
end

-- Members of the delayed set are: list NUL name.
local function delay(list, due, name, raw)
  local member = list .. '\0' .. name
  call('HSET', P .. 'delayed:body', member, raw)
  local is_new = call('ZADD', P .. 'delayed', due, member) == 1
  if is_new then count_delayed(list, 1) end
  local next = is_new and call('GET', P .. 'next')
  if not next or tonumber(due) < tonumber(next) then tell_next() end
end

-- Delayed messages to the front (RPUSH) or back (LPUSH) of their lists. Where a key of another type stands in a queue's
-- place they stay, and do not hold up the others.
local function move_delayed(members, how)
  for i = 1, #members do
    local list, raw = split(members[i]), call('HGET', P .. 'delayed:body', members[i])
    local pushed = raw and redis.pcall(how, list, raw)
    if type(pushed) ~= 'table' then
      if sub(list, 1, #CAST) == CAST then call('EXPIRE', list, CAST_TTL) end
      call('HDEL', P .. 'delayed:body', members[i])
      call('ZREM', P .. 'delayed', members[i])
      count_delayed(list, -1)
    end
  end
  if #members > 0 then tell_next() end
end

-- The first of them ends up at the very front.
local function make_ready(members)
  local last_first = {}
  for i = #members, 1, -1 do last_first[#last_first + 1] = members[i] end
  move_delayed(last_first, 'RPUSH')
end

local function promote(most)
  make_ready(call('ZRANGEBYSCORE', P .. 'delayed', '-inf', now_text, 'LIMIT', 0, most))
end

-- Waiters of one set of queues: at most two are armed (they track the lists), the others are parked and get poked.
local function poke(group)
  while true do
    local parked = call('ZRANGE', P .. 'idle:' .. group, 0, 0)[1]
    if not parked then return false end
    call('ZREM', P .. 'idle:' .. group, parked)
    if live(parked) then
      call('SET', P .. 'wake:' .. parked, 'poked', 'EX', 60)
      return true
    end
  end
end

-- Whether somebody was poked for it.
local function leave(group, id)
  if call('ZREM', P .. 'armed:' .. group, id) == 1 then return poke(group) end
  call('ZREM', P .. 'idle:' .. group, id)
  return false
end

local function unregister(id)
  local group = call('HGET', P .. 'consumer:' .. id, 'group')
  call('DEL', P .. 'claims:' .. id, P .. 'begun:' .. id, P .. 'consumer:' .. id, P .. 'wake:' .. id)
  call('ZREM', P .. 'consumers', id)
  if group then leave(group, id) end
end

