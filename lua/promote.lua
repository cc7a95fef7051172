-- promote: moves due tasks from the schedule into their queues, makes queues and groups whose next token has returned
-- claimable, and ends tasks that are too late to start.
--
-- KEYS  prefix, meta
-- ARGV  most tasks of either kind and most timers
-- Returns {ms until the next scheduled task is due or a timer is late or 0, ms until the next task is too late or 0, number
--       of tasks promoted, number of tasks ended because they were too late}.
-- Keeps: no task is promoted before it is due. A task that has not started by its latest start is expired.
-- uses: base event finish full promote queue removal task timers totals trim wake
run_when_full()
local most = tonumber(ARGV[1])
local due, promoted = Promote.due(most)
Timers.fire(most)
Event.write()
local late, index = 0, P .. 'expiring'

-- end_if_late ends a task that is too late, or schedules its next check. For a task that has started only the deadline
-- counts. A running attempt is not ended here: its deadline bounds it already.
local function end_if_late(id)
  local m = Task.load(id)
  if not m then return Totals.count('orphans') end
  local deadline = tonumber(m.deadline_at or nil)
  if m.state == 'running' or m.attempt ~= '0' and not (deadline and deadline <= NOW) then
    if deadline and deadline > NOW then call('ZADD', index, whole(deadline), id) end
  elseif m.state == 'waiting' or m.state == 'scheduled' then
    call('ZREM', P .. 'scheduled', id)
    Full.remove(m.line, m.kind, m.score, id)
    Queue.remove(m.line, m.group, m.score, id)
    Finish.too_late(m)
    late = late + 1
  end
end

local ids = call('ZRANGEBYSCORE', index, '-inf', NOW_TEXT, 'LIMIT', 0, most)
if #ids > 0 then call('ZREM', index, unpack(ids)) end
for _, id in ipairs(ids) do end_if_late(id) end
-- Saves unblock such tasks, too. Here are those of a kind that has no staged result left, or has another bound now.
for _, kind in ipairs(call('SMEMBERS', P .. 'full')) do
  if Full.unblock(kind, most) == most then due = 1 end
end
Trim.close()
Removal.write()
Totals.write()
Wake.all()
local head, late_in = call('ZRANGE', index, 0, 0)[1], Timers.late_in()
if late_in > 0 and (due == 0 or late_in < due) then due = late_in end
return { due, head and math.max(call('ZSCORE', index, head) - NOW, 1) or 0, promoted, late }
