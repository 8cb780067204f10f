-- Publishes messages that wait for their time: list, due, name, element for each.
for i = 2, #ARGV, 4 do call('LLEN', ARGV[i]) end
for i = 2, #ARGV, 4 do delay(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
return 1
