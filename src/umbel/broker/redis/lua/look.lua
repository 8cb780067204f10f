-- Reads, tracked, whatever should wake this consumer. Answers: what came between taking a place and being armed.
-- KEYS after P: the consumer's wake, and for an armed one the version of the revocations, the next due time, the lists:
-- a server tracks the keys that a script declares (7.0) or that it reads (later), so the two must be the same.
-- Returns whether there is anything to do now, and the seconds until the next message is due ('' without one).
local version, role, anything, due = ARGV[2], ARGV[3], 0, false
if role ~= 'polls' and call('GET', KEYS[2]) ~= role then anything = 1 end
if #KEYS > 2 then
  if (call('GET', KEYS[3]) or '0') ~= version then anything = 1 end
  due = call('GET', KEYS[4])
  for i = 5, #KEYS do
    if call('LLEN', KEYS[i]) > 0 then anything = 1 end
  end
end
return {anything, due and string.format('%.6f', tonumber(due) - now) or ''}
