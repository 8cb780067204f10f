-- Joins of chords on Celery's keys. A result store runs this by itself, a broker on the same server in its own step.
-- join(KEY, STEP): KEY is celery-taskset-meta-<group>, STEP a list in msgpack. Answers false, or {group, parts, shape, body}
-- of a join that this step completed, or without parts of one that has lost the body that it should keep. check(KEY) raises
-- what would stop a step in its middle.
--   KEY.j parts: a sorted set (index, part) or a list; KEY.s their number, KEY.t how many more; KEY.d which were counted;
--   KEY.c who completed it, then 'done'; KEY the header's shape. Of Umbel alone: `own` keeps the body, and what a failed
--   join must know to be mended; `all` lists joins by when something happened to them, for the sweeper.
local function joining()
  local call, find, sub = redis.call, string.find, string.sub

  local function kind(key)
    local found = call('TYPE', key)
    return found.ok or found
  end

  local checked = {}

  local function check(key)
    if checked[key] then return end
    checked[key] = true
    for suffix, wanted in pairs({j = 'zset list', s = 'string', t = 'string', d = 'set', c = 'string'}) do
      local found = kind(key .. '.' .. suffix)
      if found ~= 'none' and not find(wanted, found, 1, true) then
        error('WRONGTYPE ' .. key .. '.' .. suffix .. ' is not what a chord keeps there', 0)
      end
    end
  end

  local function set(key, value, ttl)
    if ttl > 0 then call('SET', key, value, 'EX', ttl) else call('SET', key, value) end
  end

  local step = {}

  function step.open(key, own, all, ttl, size, shape, body)
    call('DEL', key .. '.c')
    call('HDEL', own, 'size', 'bad')
    if body ~= '' then
      call('HSET', own, 'body', body)
      if ttl > 0 then call('EXPIRE', own, ttl) end
    end
    set(key .. '.s', size, ttl)
    if shape ~= '' then set(key, shape, ttl) end
    return false
  end

  function step.extend(key, own, all, ttl, by)
    call('INCRBY', key .. '.t', by)
    if ttl > 0 then call('EXPIRE', key .. '.t', ttl) end
    return false
  end

  function step.close(key, own, all, ttl, failed, group, done_for)
    call('ZREM', all, group)
    if failed == '' then
      call('UNLINK', key .. '.j', key .. '.t', key .. '.s', key .. '.d', own) -- freeing ten thousand parts takes a while
      call('SET', key .. '.c', 'done', 'EX', done_for)
      return false
    end
    local size = call('GET', key .. '.s')
    if size then
      call('HSET', own, 'size', size + (tonumber(call('GET', key .. '.t') or '') or 0), 'bad', failed)
      if ttl > 0 then call('EXPIRE', own, ttl) end
    end
    call('DEL', key .. '.s', key .. '.t', key .. '.c')
    return false
  end

  -- Takes out a failed part, and what its task is counted as, so that it counts anew.
  local function forget(key, ordered, part, counted)
    local id = string.match(part, '^%[1, ?"([^"]*)"') or ''
    for _, one in ipairs(counted[id] or {}) do call('SREM', key .. '.d', one) end
    if ordered == '' then call('LREM', key .. '.j', 1, part) else call('ZREM', key .. '.j', part) end
  end

  local function counted_by_id(key)
    local found = {}
    for _, one in ipairs(call('SMEMBERS', key .. '.d')) do
      local id = string.match(one, '^(.*):[^:]*$') or one
      found[id] = found[id] or {}
      table.insert(found[id], one)
    end
    return found
  end

  function step.reopen(key, own, all, ttl, ordered, size, shape)
    call('DEL', key .. '.c')
    local counted = counted_by_id(key)
    for _, part in ipairs(call(ordered == '' and 'LRANGE' or 'ZRANGE', key .. '.j', 0, -1)) do
      if not find(part, '^%[1, ?"[^"]*", ?"SUCCESS"') then forget(key, ordered, part, counted) end
    end
    if call('EXISTS', key .. '.s') == 0 then
      local known = call('HGET', own, 'size') or size
      if known ~= '' then set(key .. '.s', known, ttl) end
    end
    call('HDEL', own, 'size', 'bad')
    if shape ~= '' then set(key, shape, ttl) end
    return false
  end

  -- The part that this task left before, and whether it is a success. Celery writes a space after each comma.
  local function before(key, score, id)
    if score == '+inf' then return nil end
    for _, part in ipairs(call('ZRANGEBYSCORE', key .. '.j', score, score)) do
      for _, head in ipairs({'[1,"' .. id .. '",', '[1, "' .. id .. '", '}) do
        if sub(part, 1, #head) == head then return part, sub(part, #head + 1, #head + 9) == '"SUCCESS"' end
      end
    end
    return nil
  end

  -- What is known of a join in this run, in which nobody else can change it.
  local known = {}

  local function look(key, own, ttl, ordered)
    local join = known[key]
    if join then return join end
    local j, d = key .. '.j', key .. '.d'
    local count = call(ordered == '' and 'LLEN' or 'ZCARD', j)
    local sizes = call('MGET', key .. '.s', key .. '.t', key .. '.c')
    join = {j = j, d = d, count = count, size = sizes[1] and sizes[1] + (sizes[2] or 0), claim = sizes[3]}
    join.all_counted = call('SCARD', d) == count -- else an older Celery has added parts, and .d knows nothing of them
    join.fresh = ttl == 0 or call('TTL', j) > ttl - 60
    known[key] = join
    return join
  end

  local function mended(key, own, ttl)
    if call('HEXISTS', own, 'bad') == 1 and call('HINCRBY', own, 'bad', -1) <= 0 then
      set(key .. '.s', call('HGET', own, 'size'), ttl)
      call('HDEL', own, 'size', 'bad')
      known[key] = nil
    end
  end

  local function add(join, key, own, ttl, id, score, part, good, ordered)
    local new = call('SADD', join.d, id .. ':' .. score) == 1
    if ordered == '' then
      if new then call('RPUSH', join.j, part) end
    else
      local old, was_good
      if not new or not join.all_counted then old, was_good = before(key, score, id) end
      if old and good == '1' and not was_good then
        call('ZREM', join.j, old)
        call('ZADD', join.j, score, part)
        mended(key, own, ttl)
      end
      new = new and not old
      if new then call('ZADD', join.j, score, part) end
    end
    if new then join.count = join.count + 1 end
  end

  local function refresh(join, key, own, all, ttl)
    for _, suffix in ipairs({'.j', '.s', '.t', '.d', ''}) do call('EXPIRE', key .. suffix, ttl) end
    call('EXPIRE', own, ttl)
    call('EXPIRE', all, ttl)
    join.fresh = true
  end

  -- Whether the join has the body that came with its opening. It is the sweeper's to look at from its first part on.
  local function keeps(join, own, all, group, now)
    if join.keeps == nil then
      join.keeps = call('HEXISTS', own, 'body') == 1
      if join.keeps and join.count < 4 then call('ZADD', all, 'NX', now, group) end
    end
    return join.keeps
  end

  -- What the parts of one join have in common comes as one text, which is read once.
  local commons = {}

  local function read(common)
    local found = {}
    for value in string.gmatch(common .. '\0', '(%Z*)%z') do found[#found + 1] = value end
    found[3] = tonumber(found[3])
    commons[common] = found
    return found
  end

  function step.part(key, common, id, score, part, good, body)
    local own, all, ttl, ordered, group, now, claim_for = unpack(commons[common] or read(common))
    local join = look(key, own, ttl, ordered)
    if join.claim == 'done' then return false end
    if body == '-' and not keeps(join, own, all, group, now) then return {group, {}, '', ''} end
    add(join, key, own, ttl, id, score, part, good, ordered)
    if body ~= '-' and body ~= '' and call('HSETNX', own, 'body', body) == 1 then call('ZADD', all, now, group) end
    if not join.fresh then refresh(join, key, own, all, ttl) end
    join = look(key, own, ttl, ordered)
    if not join.size or join.count < join.size then return false end
    local token = 'umbel:' .. id .. ':' .. score
    if join.claim and join.claim ~= token then return false end
    call('SET', key .. '.c', token, 'EX', claim_for)
    join.claim = token
    call('ZADD', all, now, group)
    return {group, call(ordered == '' and 'LRANGE' or 'ZRANGE', join.j, 0, -1), call('GET', key) or '',
      call('HGET', own, 'body') or ''}
  end

  return function(key, packed)
    local values = cmsgpack.unpack(packed)
    if values[1] ~= 'part' then known[key] = nil end
    return step[values[1]](key, unpack(values, 2))
  end, check
end
