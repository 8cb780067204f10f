-- Marks task ids as revoked, and counts the version up; a version that expired with its set never comes again.
local ttl, version = tonumber(ARGV[2]), tonumber(call('GET', P .. 'revoked:v') or '0')
version = math.max(version + 1, math.floor(now * 1000))
for i = 3, #ARGV, 2 do
  local id, terminate = ARGV[i], ARGV[i + 1]
  call('ZADD', P .. 'revoked', 'GT', string.format('%.6f', now + ttl), id)
  if terminate ~= '' then call('HSET', P .. 'revoked:how', id, terminate) end
end
call('SET', P .. 'revoked:v', string.format('%d', version), 'KEEPTTL')
for _, key in ipairs({'revoked', 'revoked:how', 'revoked:v'}) do
  if call('TTL', P .. key) < ttl then call('EXPIRE', P .. key, math.ceil(ttl) + 1) end
end
return version
