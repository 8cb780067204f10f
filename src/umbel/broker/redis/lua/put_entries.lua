-- Stores entries of a book under its next version: name, data for each. Returns the version.
local book = P .. 'book:' .. ARGV[2]
local version = call('HINCRBY', book, 'version', 1)
for i = 3, #ARGV, 2 do
  call('HSET', book .. ':entries', ARGV[i], ARGV[i + 1])
  call('ZADD', book .. ':versions', version, ARGV[i])
  call('ZREM', book .. ':dropped', ARGV[i])
end
call('PERSIST', book)
return version
