-- promote: moves due tasks from the schedule into their queues, and ends the ones that waited too long.
--
-- KEYS  prefix, meta
-- ARGV  most tasks of either kind
-- Returns {ms until the next scheduled task is due or 0, ms until the next task is too late or 0, number of tasks moved
--       into their queues, number of tasks ended because they were too late}.
-- Keeps: nothing is promoted early; a task that never started by its time is expired.
-- uses: base event finish promote queue removal task totals trim wake
run_when_full()
local most = tonumber(ARGV[1])
local due, moved = Promote.due(most)
Event.write()
local late, index = 0, P .. 'expiring'

-- look ends a task if it is too late, and otherwise notes when to look again. What started in time is bounded by its
-- deadline alone; a running attempt is bounded by it anyway.
local function look(id)
  local m = Task.load(id)
  if not m then return Totals.count('orphans') end
  local deadline = tonumber(m.deadline_at or nil)
  if m.state == 'running' or m.attempt ~= '0' and not (deadline and deadline <= NOW) then
    if deadline and deadline > NOW then call('ZADD', index, whole(deadline), id) end
  elseif m.state == 'waiting' or m.state == 'scheduled' then
    call('ZREM', P .. 'scheduled', id)
    Queue.remove(m.queue, m.group, m.score, id)
    Finish.too_late(m)
    late = late + 1
  end
end

local ids = call('ZRANGEBYSCORE', index, '-inf', NOW_TEXT, 'LIMIT', 0, most)
if #ids > 0 then call('ZREM', index, unpack(ids)) end
for _, id in ipairs(ids) do look(id) end
Trim.close()
Removal.write()
Totals.write()
Wake.all()
local head = call('ZRANGE', index, 0, 0)[1]
return { due, head and math.max(call('ZSCORE', index, head) - NOW, 1) or 0, moved, late }
