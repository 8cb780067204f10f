-- All consumers on the register: id, node, pid, width, queues, how much they hold, and whether their lease holds.
local found = {}
for _, id in ipairs(call('ZRANGE', P .. 'consumers', 0, -1)) do
  local known = call('HMGET', P .. 'consumer:' .. id, 'node', 'pid', 'width', 'queues')
  for i = 1, 4 do known[i] = known[i] or '' end
  found[#found + 1] = {id, known[1], known[2], known[3], known[4], call('HLEN', P .. 'claims:' .. id), live(id) and 1 or 0}
end
return found
