-- Takes marks off the set of what is revoked, and counts the version up, as revoke does; where there is none, nothing.
local version = math.max(tonumber(call('GET', P .. 'revoked:v') or '0') + 1, math.floor(now * 1000))
for i = 2, #ARGV do
  call('ZREM', P .. 'revoked', ARGV[i])
  call('HDEL', P .. 'revoked:how', ARGV[i])
end
if call('EXISTS', P .. 'revoked:v') == 0 then return 0 end
call('SET', P .. 'revoked:v', string.format('%d', version), 'KEEPTTL')
return version
