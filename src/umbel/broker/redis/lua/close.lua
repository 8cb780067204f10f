-- Hands back what a consumer holds and takes it off the register; says how many consumers are left.
local id = ARGV[2]
if call('HEXISTS', P .. 'consumer:' .. id, 'adopted') == 0 then
  all_to_front(P .. 'claims:' .. id, call('HKEYS', P .. 'claims:' .. id))
  unregister(id)
end
return call('ZCARD', P .. 'consumers')
