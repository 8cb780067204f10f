-- Reads, tracked, whatever should wake this consumer. Answers: what came between going idle and being armed.
-- Returns whether there is anything to do now, and the seconds until the next message is due ('' without one).
local role = call('GET', P .. 'wake:' .. ARGV[2])
if role == 'parked' then return {0, ''} end
local anything = role ~= 'armed' and 1 or 0
if (call('GET', P .. 'revoked:v') or '0') ~= ARGV[3] then anything = 1 end
for i = 4, #ARGV do
  if call('LLEN', ARGV[i]) > 0 then anything = 1 end
end
local due = call('GET', P .. 'next')
return {anything, due and string.format('%.6f', tonumber(due) - now) or ''}
