-- Renews the leases of others, whose I/O thread cannot; returns those that are not registered, or taken over from.
local lease, unknown = tonumber(ARGV[2]), {}
for i = 3, #ARGV do
  local id = ARGV[i]
  if call('ZSCORE', P .. 'consumers', id) and call('HEXISTS', P .. 'consumer:' .. id, 'adopted') == 0 then
    renew(id, lease)
  else
    unknown[#unknown + 1] = id
  end
end
return unknown
