-- Deletes marks of entries that are no more: book, beat, epoch, names.
local book = P .. 'book:' .. ARGV[2]
local about = call('HMGET', book, 'beat', 'epoch')
if about[1] ~= ARGV[3] or about[2] ~= ARGV[4] then return 0 end
return call('HDEL', book .. ':marks', unpack(ARGV, 5))
