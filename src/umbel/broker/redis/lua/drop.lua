-- Deletes lists that no worker reads any more.
for i = 2, #ARGV do call('DEL', ARGV[i], ARGV[i] .. ':alive') end
