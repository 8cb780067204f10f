-- Takes back what a blocked process has not started, for its supervisor, which may have been frozen since it decided.
local id, last, keep, fields = ARGV[2], tonumber(ARGV[3]), {}, {}
local above = tonumber(ARGV[4])
for i = 5, #ARGV do keep[ARGV[i]] = true end
for _, field in ipairs(call('HKEYS', P .. 'claims:' .. id)) do
  local serial = serial_of(field)
  if above < serial and serial <= last and not keep[field] then fields[#fields + 1] = field end
end
for i = 1, #fields do call('SREM', P .. 'begun:' .. id, fields[i]) end
return all_to_front(P .. 'claims:' .. id, fields)
