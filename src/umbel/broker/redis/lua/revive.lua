-- Sends letters again as if they were new (ARGV[2] = '1'), or deletes them; by letter or task id. Returns how many.
-- A letter of a broadcast stays if the worker whose copy it was is gone: nobody would read it.
local again, wanted, members, count = ARGV[2] == '1', {}, {}, 0

local function is_read(list)
  return sub(list, 1, #CAST) ~= CAST or call('EXISTS', list .. ':alive') == 1
end

for i = 3, #ARGV do wanted[ARGV[i]] = true end
for _, member in ipairs(call('ZRANGE', P .. 'dead', 0, -1)) do
  local letter, rest = split(member)
  if wanted[letter] or wanted[split(rest)] then members[#members + 1] = member end
end
for _, member in ipairs(members) do
  local letter = split(member)
  local body, read = call('HGET', P .. 'dead:body', letter), true
  if again and body then
    local _, _, list, _, _, start = find(body, '^[^%z]*%z([^%z]*)%z([^%z]*)%z([^%z]*)%z()')
    read = is_read(list)
    if read then
      local raw = bare(sub(body, start))
      push('LPUSH', list, raw)
    end
  end
  if read then
    call('HDEL', P .. 'dead:body', letter)
    call('ZREM', P .. 'dead', member)
    count = count + 1
  end
end
return count
