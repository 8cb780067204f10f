
-- Exchanges, for scripts that publish. A message goes to: a list, with '' or when it is due; a fan-out exchange's channel, with
-- 'fanout'; or a table of bindings, with 'direct' or 'topic' and: routing key NUL separator NUL suffix of its priority.

local function words(text)
  local found = {}
  for word in string.gmatch(text .. '.', '([^.]*)%.') do found[#found + 1] = word end
  return found
end

local function fits(pattern, key, i, j)
  if i > #pattern then return j > #key end
  if pattern[i] == '#' then
    for k = j, #key + 1 do
      if fits(pattern, key, i + 1, k) then return true end
    end
    return false
  end
  return j <= #key and (pattern[i] == '*' or pattern[i] == key[j]) and fits(pattern, key, i + 1, j + 1)
end

-- The lists that a table names for a routing key. Its members, kombu's: key SEP regular expression SEP queue.
local function bound(bindings, kind, name)
  local key, rest = split(name)
  local sep, suffix = split(rest)
  local parts, lists, seen, prefix = words(key), {}, {}, sub(P, 1, -7)
  for _, member in ipairs(call('SMEMBERS', bindings)) do
    local first = find(member, sep, 1, true)
    local second = first and find(member, sep, first + #sep, true)
    local queue = second and sub(member, second + #sep)
    if queue and queue ~= '' and not seen[queue] then
      local pattern = sub(member, 1, first - 1)
      if pattern == key or (kind == 'topic' and fits(words(pattern), parts, 1, 1)) then
        seen[queue] = true
        lists[#lists + 1] = prefix .. queue .. suffix
      end
    end
  end
  if #lists == 0 then error('NOROUTE ' .. bindings .. ' leads nowhere by ' .. key, 0) end
  return lists
end

local function check_target(target, how, name)
  if how == 'fanout' then return end
  local lists = (how == 'direct' or how == 'topic') and bound(target, how, name) or {target}
  for i = 1, #lists do call('LLEN', lists[i]) end
end

local function send(target, how, name, raw)
  if how == '' then
    push('LPUSH', target, raw)
  elseif how == 'fanout' then
    call('PUBLISH', target, raw)
  elseif how == 'direct' or how == 'topic' then
    for _, list in ipairs(bound(target, how, name)) do call('LPUSH', list, raw) end
  else
    delay(target, how, name, raw)
  end
end

