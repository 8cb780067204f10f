-- Whether the bytes of a result say SUCCESS, which is never overwritten. Both Celery and Umbel write the state first.
-- What is compressed shows it by the name of the method: Umbel takes a short one for SUCCESS, and its content type for the
-- rest. (Celery, which reads both, always writes the content type: that counts as no SUCCESS.)
local function says_success(had)
  local first = string.byte(had, 1)
  if first == 123 then
    if string.find(had, '^{"status"') then return string.find(had, '^{"status": ?"SUCCESS"') ~= nil end
    return string.find(had, '"status": ?"SUCCESS"') ~= nil
  end
  if first == 0 then
    local method = string.match(had, '^%zcelery%-compressed%z([^%z]*)%z')
    return method ~= nil and not string.find(method, '/', 1, true)
  end
  return string.find(had, '^[\128-\143]\166status\167SUCCESS') ~= nil -- MessagePack, up to 15 fields and above
    or string.find(had, '^\222..\166status\167SUCCESS') ~= nil
    or string.find(had, '^\128.\149........}\148%(\140\6status\148\140\7SUCCESS') ~= nil -- pickle, protocols 4 and 2
    or string.find(had, '^\128.}q.%(X\6%z%z%zstatusq.X\7%z%z%zSUCCESS') ~= nil
    or (string.find(had, '^%l') and string.find('\n' .. had, '\nstatus: SUCCESS\n', 1, true)) ~= nil -- YAML
end

