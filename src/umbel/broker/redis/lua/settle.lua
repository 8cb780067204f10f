-- Settles a batch, each settlement by itself all or nothing. Answers: a late settlement of what somebody else has taken over.
-- Per settlement: kind, field, tag, begun, x, y, ops, publishes; then the ops (db key ttl payload), the publishes
-- (target how name element, as routing.lua says). The two most frequent are shorter: done (kind, field), stored (kind,
-- field, one op), and so is that of a chord's member: member (kind, field, its result, its part).
-- The ttl 'join' is that of a step of a join. It answers 1 (done), 0 (gone), the joins that are complete (done, and the
-- message stays claimed) or the text of an error for each; nothing at all to one whose lease has lapsed.
local id, own_db, at, answers = ARGV[2], ARGV[3], 4, {}
local claims, begun_key = P .. 'claims:' .. id, P .. 'begun:' .. id
if not live(id) then return false end

local function on_db(db, act, a, b, c)
  if db == own_db then return act(a, b, c) end
  call('SELECT', db)
  local ok, answer = pcall(act, a, b, c)
  call('SELECT', own_db)
  if not ok then error(answer, 0) end
  return answer
end

local function store(key, ttl, payload)
  if ttl == '0' then call('SET', key, payload) else call('SET', key, payload, 'EX', ttl) end
end

local function is_success(key)
  local had = call('GET', key)
  return had and says_success(had)
end

local function count_loss(tag, loss)
  if loss == '' then return end
  local key = P .. 'lost:' .. tag
  local before = call('HGET', key, 'history')
  call('HINCRBY', key, 'count', 1)
  call('HSET', key, 'history', before and before .. ',' .. loss or loss)
  call('EXPIRE', key, SIDE_TTL)
end

local dispose = {}

function dispose.front(one, list, raw)
  count_loss(one.tag, one.x)
  push('RPUSH', list, marked(raw, one.x == '' and '\t' or '\r'))
end

function dispose.back(one, list, raw)
  count_loss(one.tag, one.x)
  push('LPUSH', list, marked(raw, one.x == '' and '\t' or '\r'))
end

function dispose.park(one, list, raw)
  local key = P .. 'lost:' .. one.tag
  if one.y == 'rate' then call('HSET', key, 'granted', one.x) end
  if one.y == 'unknown' then call('HSETNX', key, 'unknown', now_text) end
  if one.y ~= 'eta' then
    call('EXPIRE', key, math.max(SIDE_TTL, math.ceil(tonumber(one.x) - now) + SIDE_TTL))
    raw = marked(raw, '\n')
  end
  delay(list, one.x, id .. ':' .. one.field, raw)
end

-- x is: letter NUL task id NUL seconds to live NUL a description in JSON; y is the last loss.
function dispose.bury(one, list, raw)
  local letter, rest = split(one.x)
  local task, more = split(rest)
  local ttl, described = split(more)
  count_loss(one.tag, one.y)
  local side = P .. 'lost:' .. one.tag
  local history = call('HGET', side, 'history') or ''
  local body = table.concat({now_text, list, history, described, raw}, '\0')
  call('HSET', P .. 'dead:body', letter, body)
  call('ZADD', P .. 'dead', now_text, letter .. '\0' .. task .. '\0' .. list)
  for _, key in ipairs({P .. 'dead', P .. 'dead:body'}) do
    if call('TTL', key) < tonumber(ttl) then call('EXPIRE', key, ttl) end
  end
  call('DEL', side)
end

local join, check_join, join_many

local function check_op(i)
  if ARGV[i + 2] == 'join' then
    if not join then join, check_join, join_many = joining() end
    on_db(ARGV[i], check_join, ARGV[i + 1])
    return false
  end
  if not (tonumber(ARGV[i + 2]) >= 0) then error('ERR a time to live must not be negative', 0) end
  return on_db(ARGV[i], is_success, ARGV[i + 1])
end

local function check(one)
  for i = one.ops_at, one.pubs_at - 4, 4 do
    one.skip[i] = check_op(i)
  end
  for i = one.pubs_at, one.next - 4, 4 do check_target(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
end

local function put(i)
  local key, payload = ARGV[i + 1], ARGV[i + 3]
  on_db(ARGV[i], store, key, ARGV[i + 2], payload)
  call('PUBLISH', key, payload)
end

local function write(one)
  for i = one.ops_at, one.pubs_at - 4, 4 do
    if ARGV[i + 2] == 'join' then
      local joined = on_db(ARGV[i], join, ARGV[i + 1], ARGV[i + 3])
      if joined then
        one.joined = one.joined or {}
        table.insert(one.joined, joined)
      end
    elseif not one.skip[i] then
      put(i)
    end
  end
  for i = one.pubs_at, one.next - 4, 4 do send(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
end

local function perform(one)
  local kind = one.kind
  local act = dispose[kind]
  local list, raw
  if act then
    local value = call('HGET', claims, one.field)
    if not value then return 0 end
    list, raw = split(value)
    if kind == 'front' or kind == 'back' then call('LLEN', list) end
  elseif call('HEXISTS', claims, one.field) == 0 then
    return 0
  end
  if one.pubs_at > one.ops_at or one.next > one.pubs_at then
    check(one)
    write(one)
    if one.joined then return one.joined end
  end
  if act then act(one, list, raw) end
  if kind == 'begin' then
    call('SADD', begun_key, one.field)
    return 1
  end
  if kind == 'keep' then return 1 end
  if kind == 'ack' and one.tag ~= '' then call('DEL', P .. 'lost:' .. one.tag) end
  if one.begun == '1' then call('SREM', begun_key, one.field) end
  return call('HDEL', claims, one.field)
end

local function full(at, ops_at, pubs_at, next)
  return perform({kind = ARGV[at], field = ARGV[at + 1], tag = ARGV[at + 2], begun = ARGV[at + 3], x = ARGV[at + 4],
    y = ARGV[at + 5], ops_at = ops_at, pubs_at = pubs_at, next = next, skip = {}})
end

local function stored(at)
  return perform({kind = 'ack', field = ARGV[at + 1], tag = '', ops_at = at + 2, pubs_at = at + 6, next = at + 6, skip = {}})
end

local checked

local function begin_member(at)
  if call('HEXISTS', claims, ARGV[at + 1]) == 0 then return 0 end
  if ARGV[at + 7] ~= checked then
    check_op(at + 6)
    checked = ARGV[at + 7]
  end
  if ARGV[at + 2] ~= own_db then
    if not check_op(at + 2) then put(at + 2) end
    return 1
  end
  local key, payload = ARGV[at + 3], ARGV[at + 5]
  local had = call('GET', key)
  if had and says_success(had) then return 1 end
  store(key, ARGV[at + 4], payload)
  call('PUBLISH', key, payload)
  return 1
end

-- Members from one place to before another: what is written for all of them comes before their claims go.
local function members(first, last)
  local found, rows, key, db, seen = {}, {}, nil, nil, {}

  local function flush()
    if #rows == 0 then return end
    local packed, gone = {}, {}
    for i, row in ipairs(rows) do packed[i] = ARGV[row.at + 9] end
    local ok, joined = pcall(on_db, db, join_many, key, packed)
    for i, row in ipairs(rows) do
      if not ok then
        found[row.place] = type(joined) == 'table' and joined.err or tostring(joined)
      elseif joined[i] then
        found[row.place] = {joined[i]}
      else
        gone[#gone + 1] = ARGV[row.at + 1]
      end
    end
    if #gone > 0 then call('HDEL', claims, unpack(gone)) end
    rows = {}
  end

  for at = first, last - 10, 10 do
    if ARGV[at + 7] ~= key or ARGV[at + 6] ~= db or seen[ARGV[at + 1]] then flush() end
    key, db, seen[ARGV[at + 1]] = ARGV[at + 7], ARGV[at + 6], true
    local place = #found + 1
    local ok, answer = pcall(begin_member, at)
    if not ok then answer = type(answer) == 'table' and answer.err or tostring(answer) end
    found[place] = answer
    if answer == 1 then rows[#rows + 1] = {at = at, place = place} end
  end
  flush()
  for _, answer in ipairs(found) do answers[#answers + 1] = answer end
end

while at <= #ARGV do
  local kind, answer, ok = ARGV[at], 0, true
  if kind == 'done' then
    answer = call('HDEL', claims, ARGV[at + 1])
    at = at + 2
  elseif kind == 'stored' then
    ok, answer = pcall(stored, at)
    at = at + 6
  elseif kind == 'member' then
    local first = at
    while ARGV[at] == 'member' do at = at + 10 end
    members(first, at)
    answer = nil
  else
    local ops_at = at + 8
    local pubs_at = ops_at + 4 * tonumber(ARGV[at + 6])
    local next = pubs_at + 4 * tonumber(ARGV[at + 7])
    ok, answer = pcall(full, at, ops_at, pubs_at, next)
    at = next
  end
  if not ok then answer = type(answer) == 'table' and answer.err or tostring(answer) end
  if answer ~= nil then answers[#answers + 1] = answer end
end
return answers
