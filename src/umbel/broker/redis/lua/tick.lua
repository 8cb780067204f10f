-- Publishes ticks and sets their marks: book, beat, epoch; for each name, due, mark, runs, count of messages, and for
-- each of these what routing.lua takes. Answers: a second leader, or the same one after a lost reply, that publishes a tick again.
local book = P .. 'book:' .. ARGV[2]
local about = call('HMGET', book, 'beat', 'epoch')
local leads = about[1] == ARGV[3] and about[2] == ARGV[4]
local answers, i = {}, 5
while i <= #ARGV do
  local name, due, mark, runs, count = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], tonumber(ARGV[i + 4])
  local first = i + 5
  i = first + 4 * count
  local known = call('HGET', book .. ':marks', name)
  local last, before = string.match(known or '', '^(%S+) (%d+)$')
  if not leads then
    answers[#answers + 1] = -1
  elseif last and due <= tonumber(last) then
    answers[#answers + 1] = 0
  else
    local wrong
    for at = first, i - 1, 4 do
      local ok, problem = pcall(check_target, ARGV[at], ARGV[at + 1], ARGV[at + 2])
      if not ok then wrong = type(problem) == 'table' and problem.err or problem end
    end
    if not wrong then
      for at = first, i - 1, 4 do send(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]) end
      call('HSET', book .. ':marks', name, mark .. ' ' .. string.format('%d', (before or 0) + runs))
    end
    answers[#answers + 1] = wrong or 1
  end
end
return answers
