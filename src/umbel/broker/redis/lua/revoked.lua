-- The version of the revocations, and those that have not expired, each with the signal that ends a running task.
local answer = {tonumber(call('GET', P .. 'revoked:v') or '0')}
for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'revoked', now_text, '+inf')) do
  answer[#answer + 1] = id
  answer[#answer + 1] = call('HGET', P .. 'revoked:how', id) or ''
end
return answer
