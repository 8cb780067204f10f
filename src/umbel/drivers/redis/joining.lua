-- Joins of chords on Celery's keys. A result store runs this by itself, a broker on the same server in its own step.
-- join(KEY, STEP): KEY is celery-taskset-meta-<group>, STEP a list in msgpack. Answers false, or {group, parts, shape, body}
-- of a join that this step completed, or without parts of one that has lost the body that it should keep. check(KEY) raises
-- what would stop a step in its middle. A third function takes many steps on one key.
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
    if call('HDEL', own, 'size', 'bad') > 0 then call('UNLINK', key .. '.j', key .. '.t', key .. '.d') end -- it had failed
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

  function step.close(key, own, all, ttl, failed, group, done_for, shape_for)
    call('ZREM', all, group)
    if failed == '' then
      call('UNLINK', key .. '.j', key .. '.t', key .. '.s', key .. '.d', own) -- freeing ten thousand parts takes a while
      call('SET', key .. '.c', 'done', 'EX', done_for)
      if shape_for > 0 and call('TTL', key) > shape_for then call('EXPIRE', key, shape_for) end
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

  -- What the parts of one join have in common comes as one text: how long the prefix of its keys is, seconds to live,
  -- whether ordered, now, seconds of a claim. It is read once for each key.
  local commons, KEY = {}, #'celery-taskset-meta-'

  local function read(key, common)
    if commons[key] and commons[key].common == common then return commons[key] end
    local found = {}
    for value in string.gmatch(common .. '\0', '(%Z*)%z') do found[#found + 1] = value end
    local prefix, group = sub(key, 1, found[1]), sub(key, found[1] + KEY + 1)
    commons[key] = {common = common, own = prefix .. 'umbel:join:' .. group, all = prefix .. 'umbel:joins', group = group,
      ttl = tonumber(found[2]), ordered = found[3], now = found[4], claim_for = found[5]}
    return commons[key]
  end

  local function bring(of, body)
    if body ~= '-' and body ~= '' and call('HSETNX', of.own, 'body', body) == 1 then
      call('ZADD', of.all, of.now, of.group)
    end
  end

  -- What one part answers, when all are added.
  local function complete(of, key, join, id, score)
    if not join.size or join.count < join.size then return false end
    local token = 'umbel:' .. id .. ':' .. score
    if join.claim and join.claim ~= token then return false end
    call('SET', key .. '.c', token, 'EX', of.claim_for)
    join.claim = token
    call('ZADD', of.all, of.now, of.group)
    return {of.group, call(of.ordered == '' and 'LRANGE' or 'ZRANGE', join.j, 0, -1), call('GET', key) or '',
      call('HGET', of.own, 'body') or ''}
  end

  function step.part(key, common, id, score, part, good, body)
    local of = read(key, common)
    local join = look(key, of.own, of.ttl, of.ordered)
    if join.claim == 'done' then return false end
    if body == '-' and not keeps(join, of.own, of.all, of.group, of.now) then return {of.group, {}, '', ''} end
    add(join, key, of.own, of.ttl, id, score, part, good, of.ordered)
    bring(of, body)
    if not join.fresh then refresh(join, key, of.own, of.all, of.ttl) end
    return complete(of, key, look(key, of.own, of.ttl, of.ordered), id, score)
  end

  local function join_one(key, values)
    if values[1] ~= 'part' then known[key] = nil end
    return step[values[1]](key, unpack(values, 2))
  end

  -- Whether all these are parts that come for the first time; then they are added, by two commands instead of two each.
  local function add_all(of, key, join, steps)
    if of.ordered == '' or not join.all_counted then return false end
    local marks, pairs_, seen = {}, {}, {}
    for i, values in ipairs(steps) do
      local mark = values[3] .. ':' .. values[4]
      if seen[mark] or values[1] ~= 'part' or values[2] ~= of.common then return false end
      seen[mark], marks[i], pairs_[2 * i - 1], pairs_[2 * i] = true, mark, values[4], values[5]
      if values[7] == '-' and not keeps(join, of.own, of.all, of.group, of.now) then return false end
    end
    local ok, found = pcall(call, 'SMISMEMBER', join.d, unpack(marks)) -- servers before 6.2 do not have it
    if not ok then return false end
    for _, one in ipairs(found) do
      if one == 1 then return false end
    end
    call('SADD', join.d, unpack(marks))
    call('ZADD', join.j, unpack(pairs_))
    join.count = join.count + #steps
    return true
  end

  -- Takes many steps on one key, at most 256, in order; their answers.
  local function join_many(key, packed)
    local steps, answers = {}, {}
    for i, one in ipairs(packed) do steps[i] = cmsgpack.unpack(one) end
    if #steps > 1 and steps[1][1] == 'part' then
      local of = read(key, steps[1][2])
      local join = look(key, of.own, of.ttl, of.ordered)
      if join.claim ~= 'done' and add_all(of, key, join, steps) then
        if not join.fresh then refresh(join, key, of.own, of.all, of.ttl) end
        for i, values in ipairs(steps) do
          bring(of, values[7])
          answers[i] = false
        end
        for i = #steps, 1, -1 do
          answers[i] = complete(of, key, join, steps[i][3], steps[i][4])
          if answers[i] or not join.size or join.count < join.size then break end
        end
        return answers
      end
    end
    for i, values in ipairs(steps) do answers[i] = join_one(key, values) end
    return answers
  end

  return function(key, packed) return join_one(key, cmsgpack.unpack(packed)) end, check, join_many
end
