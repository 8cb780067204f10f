-- Renews a lease and names what is recorded under it; nothing for one that somebody took over from (fencing).
local id, lease = ARGV[2], tonumber(ARGV[3])
if not call('ZSCORE', P .. 'consumers', id) or call('HEXISTS', P .. 'consumer:' .. id, 'adopted') == 1 then
  return false
end
renew(id, lease)
return call('HKEYS', P .. 'claims:' .. id)
