-- Makes delayed messages of some lists ready now, the first due first; how many. Answers: a move that dies half-way.
local limit, wanted, waiting, found = tonumber(ARGV[2]), {}, 0, {}
for i = 3, #ARGV do
  wanted[ARGV[i]] = true
  waiting = waiting + (tonumber(call('HGET', P .. 'delayed:count', ARGV[i]) or '') or 0)
end
local from = 0
while #found < math.min(limit, waiting, 256) do
  local page = call('ZRANGE', P .. 'delayed', from, from + 499)
  if #page == 0 then break end
  for _, member in ipairs(page) do
    if wanted[split(member)] and #found < limit then found[#found + 1] = member end
  end
  from = from + 500
end
make_ready(found)
return #found
