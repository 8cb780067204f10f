-- Makes delayed messages of some lists ready now, the first due first: how many, whether that was the end, and where to
-- go on. The delayed set may be long: one run looks at some thousands. Answers: a move that dies half-way.
local limit, last, score, wanted, waiting, found = tonumber(ARGV[2]), ARGV[3], ARGV[4], {}, 0, {}
for i = 5, #ARGV do
  wanted[ARGV[i]] = true
  waiting = waiting + (tonumber(call('HGET', P .. 'delayed:count', ARGV[i]) or '') or 0)
end
local most, from, ends, over = math.min(limit, waiting, 256), 0, 0, waiting == 0
if last ~= '' then -- behind the last one that was passed; if it is gone, at the next that was due then
  local rank = call('ZRANK', P .. 'delayed', last)
  from = rank and rank + 1 or call('ZCOUNT', P .. 'delayed', '-inf', '(' .. score)
end
ends = from + 5000
while not over and #found < most and from < ends do
  local page = call('ZRANGE', P .. 'delayed', from, from + 499)
  over = #page < 500
  for _, member in ipairs(page) do
    if #found == most then
      over = false
      break
    elseif wanted[split(member)] then
      found[#found + 1] = member
    else
      last = member
    end
  end
  from = from + 500
end
local before = call('ZCARD', P .. 'delayed')
make_ready(found)
local moved = before - call('ZCARD', P .. 'delayed')
if moved < #found then last = found[#found] end -- they stay: something else stands in the place of their list
return { moved, over and 1 or 0, last, last ~= '' and call('ZSCORE', P .. 'delayed', last) or score }
