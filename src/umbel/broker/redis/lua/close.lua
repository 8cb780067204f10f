-- Hands back what a consumer holds and takes it off the register; says how many consumers are left.
-- The pulse belongs to the living: the last to leave takes it along.
local id = ARGV[2]
if call('HEXISTS', P .. 'consumer:' .. id, 'adopted') == 0 then
  all_to_front(P .. 'claims:' .. id, call('HKEYS', P .. 'claims:' .. id))
  unregister(id)
end
local left = call('ZCARD', P .. 'consumers')
if left == 0 then call('DEL', P .. 'pulse', P .. 'quiet') end
return left
