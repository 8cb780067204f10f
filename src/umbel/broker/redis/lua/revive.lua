-- Sends letters again as if they were new (ARGV[2] = '1'), or deletes them; by letter or task id. Returns how many.
local again, wanted, members = ARGV[2] == '1', {}, {}
for i = 3, #ARGV do wanted[ARGV[i]] = true end
for _, member in ipairs(call('ZRANGE', P .. 'dead', 0, -1)) do
  local letter, rest = split(member)
  if wanted[letter] or wanted[split(rest)] then members[#members + 1] = member end
end
for _, member in ipairs(members) do
  local letter = split(member)
  local body = call('HGET', P .. 'dead:body', letter)
  if again and body then
    local _, _, list, _, _, start = find(body, '^[^%z]*%z([^%z]*)%z([^%z]*)%z([^%z]*)%z()')
    local raw = bare(sub(body, start))
    push('LPUSH', list, raw)
  end
  call('HDEL', P .. 'dead:body', letter)
  call('ZREM', P .. 'dead', member)
end
return #members
