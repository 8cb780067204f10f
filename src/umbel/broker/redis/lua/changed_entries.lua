-- What changed in a book after a version: version, whole, names deleted, then name, data of what is there.
local book, since = P .. 'book:' .. ARGV[2], tonumber(ARGV[3])
local about = call('HMGET', book, 'version', 'forgotten')
local version, forgotten = tonumber(about[1] or '0'), tonumber(about[2] or '0')
if version == since then return {version, 0, {}, {}} end
if since == 0 or since < forgotten or since > version then return {version, 1, {}, call('HGETALL', book .. ':entries')} end
local after, kept = '(' .. ARGV[3], {}
for _, name in ipairs(call('ZRANGEBYSCORE', book .. ':versions', after, '+inf')) do
  kept[#kept + 1] = name
  kept[#kept + 1] = call('HGET', book .. ':entries', name)
end
return {version, 0, call('ZRANGEBYSCORE', book .. ':dropped', after, '+inf'), kept}
