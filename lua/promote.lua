-- promote: moves due tasks from the schedule into their lines, and ends the ones that waited too long.
--
-- KEYS  prefix, meta
-- ARGV  most tasks of either kind
-- Returns {ms until the next scheduled task is due or 0, ms until the next task is too late or 0, number of tasks moved
-- into their lines, number of tasks ended because they were too late}.
-- Keeps: nothing is promoted early; a task that never started by its time is expired.
-- uses: base full wake line policy task finish promote
local due, moved_on = promote(ARGV[1])
local late = 0
local index = P .. 'expiring'
for _, id in ipairs(call('ZRANGEBYSCORE', index, '-inf', NOW, 'LIMIT', 0, ARGV[1])) do
  local m = load(id)
  local deadline = m and tonumber(m.deadline_at or nil)
  call('ZREM', index, id)
  if not m then
    count('orphans')
  elseif m.state == 'running' or m.attempt and not (deadline and deadline <= NOW) then
    -- It started in time. What is left to watch is the deadline; a running attempt is bounded by it anyway.
    if deadline and deadline > NOW then call('ZADD', index, deadline, id) end
  elseif m.state == 'waiting' or m.state == 'scheduled' then
    call('ZREM', P .. 'scheduled', id)
    displace(m.queue, m.group, place_of(id, m) or 0, id)
    too_late(id, m)
    late = late + 1
  end
end
local head = call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]
flush()
wake_freed()
return { due, head and math.max(head - NOW, 1) or 0, moved_on, late }
