-- Leads a book, renews, or (without a lease) resigns. Answers: two beats that lead at once. A leader keeps its epoch until
-- another takes over; an end beyond its lease is from before the clock was set back. Returns epoch (0: another) and seconds.
local book, beat, lease = P .. 'book:' .. ARGV[2], ARGV[3], tonumber(ARGV[4])
local about = call('HMGET', book, 'beat', 'ends', 'lease')
if not lease then
  if about[1] == beat then call('HDEL', book, 'beat', 'ends', 'lease') end
  return {0, '0'}
end
if about[1] ~= beat then
  local left = tonumber(about[2] or '0') - now
  if about[1] and left > 0 and left <= tonumber(about[3]) then return {0, string.format('%.6f', left)} end
  call('HINCRBY', book, 'epoch', 1)
end
call('HSET', book, 'beat', beat, 'ends', string.format('%.6f', now + lease), 'lease', ARGV[4])
-- What nobody leads for a quarter of a year goes, but for the entries that somebody stored, and their version.
for _, key in ipairs({book .. ':marks', book .. ':dropped'}) do call('EXPIRE', key, 7776000) end
if call('EXISTS', book .. ':entries') == 1 then call('PERSIST', book) else call('EXPIRE', book, 7776000) end
return {tonumber(call('HGET', book, 'epoch')), ARGV[4]}
