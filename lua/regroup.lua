-- regroup: moves the heads of groups that a changed default limit lets go to their queues, a bounded number per call.
--
-- KEYS  prefix, meta
-- ARGV  queue, group after which to go on ('' for the first), most groups
-- Returns the last group looked at, '' at the end.
-- Keeps: a group with room and waiting tasks has its head in the queue.
-- uses: base queue wake
run_when_full()
local queue, after = ARGV[1], ARGV[2]
for _ = 1, tonumber(ARGV[3]) do
  local from = after == '' and '-' or '(' .. after .. '!'
  local first = call('ZRANGEBYLEX', P .. 'group:wait:' .. queue, from, '+', 'LIMIT', 0, 1)[1]
  if not first then
    after = ''
    break
  end
  after = string.match(first, '^(%S+) ')
  Queue.unblock(after)
end
Wake.all()
return after
