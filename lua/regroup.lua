-- regroup: unblocks the next tasks of groups that have room after a change of the default limit, a page per call.
--
-- KEYS  prefix, meta
-- ARGV  queue, last group of the page before ('' for the start), most groups
-- Returns the last group of this page, '' at the end.
-- Keeps: a group that has room and waiting tasks has its first task in the queue.
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
  if string.sub(after, 1, 1) ~= '!' then Queue.unblock(after) end -- see full.lua
end
Wake.all()
return after
