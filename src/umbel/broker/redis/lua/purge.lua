-- Deletes what waits in lists, and a batch of what is delayed for them; returns how many, and where to go on ('0': done).
local cursor, count = ARGV[2], 0
if cursor == '' then
  for i = 3, #ARGV do
    count = count + call('LLEN', ARGV[i])
    call('UNLINK', ARGV[i])
  end
  cursor = '0'
end
local wanted, any = {}, false
for i = 3, #ARGV do
  wanted[ARGV[i]] = true
  any = any or call('HEXISTS', P .. 'delayed:count', ARGV[i]) == 1
end
if not any then return {count, '0'} end
local page = call('ZSCAN', P .. 'delayed', cursor, 'COUNT', 1000)
for i = 1, #page[2], 2 do
  local member = page[2][i]
  local list = split(member)
  if wanted[list] and call('ZREM', P .. 'delayed', member) == 1 then
    call('HDEL', P .. 'delayed:body', member)
    count_delayed(list, -1)
    count = count + 1
  end
end
tell_next()
return {count, page[1]}
