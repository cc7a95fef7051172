-- runnow: puts scheduled tasks into their queues before they are due. They may be on hold, or wait for a delay, a run-at
-- time or a retry.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, ids, or counted tasks: see counted.lua
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put into its queue, -4 or -5 for a counted
--       task: see counted.lua; or an error if another task is damaged, after the change of the rest; or the error STALE.
-- Keeps: a task takes the position that it would take when it is due. Limits, TTL and deadline apply as before. A call that
-- is repeated after its reply was lost does nothing and gets the first reply.
-- uses: base changes finish promote task trim
local first = Changes.repeated()
if first then return first end
run_when_full()
local reply = Changes.each(ARGV, 3, function(m)
  if m.state ~= 'scheduled' then return 0 end
  call('ZREM', P .. 'scheduled', m.id)
  Task.keep(m.id, m, 'due_at', NOW_TEXT)
  Promote.one(m.id, function() return call('HINCRBY', META, 'seq', 1) end)
  m.state = m.shards and 'running' or 'waiting'
  return 1
end)
if freed.empty then Finish.empty() end
Trim.close()
return Changes.close(reply)
