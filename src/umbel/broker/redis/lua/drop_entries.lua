-- Deletes entries of a book and their marks. Keeps the names of the last thousand, for those who ask what changed.
local book = P .. 'book:' .. ARGV[2]
local count, version = 0, nil
for i = 3, #ARGV do
  if call('HDEL', book .. ':entries', ARGV[i]) == 1 then
    version = version or call('HINCRBY', book, 'version', 1)
    call('ZREM', book .. ':versions', ARGV[i])
    call('ZADD', book .. ':dropped', version, ARGV[i])
    call('HDEL', book .. ':marks', ARGV[i])
    count = count + 1
  end
end
local surplus = call('ZCARD', book .. ':dropped') - 1000
if surplus > 0 then
  local old = call('ZRANGE', book .. ':dropped', surplus - 1, surplus - 1, 'WITHSCORES')
  call('HSET', book, 'forgotten', old[2])
  call('ZREMRANGEBYRANK', book .. ':dropped', 0, surplus - 1)
end
return count
