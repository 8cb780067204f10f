-- Dead letters that have not expired, the newest first: all up to a limit, or those named by letter or task id.
local limit, wanted, named, found = tonumber(ARGV[3]), {}, #ARGV > 3, {}
for i = 4, #ARGV do wanted[ARGV[i]] = true end
local since = string.format('%.6f', now - tonumber(ARGV[2]))
local args = {'ZREVRANGEBYSCORE', P .. 'dead', '+inf', since}
if not named then args = {'ZREVRANGEBYSCORE', P .. 'dead', '+inf', since, 'LIMIT', 0, limit} end
for _, member in ipairs(call(unpack(args))) do
  local letter, rest = split(member)
  local task = split(rest)
  if not named or wanted[letter] or wanted[task] then
    local body = call('HGET', P .. 'dead:body', letter)
    if body then
      found[#found + 1] = letter
      found[#found + 1] = body
    end
    if #found >= 2 * limit then break end
  end
end
return found
