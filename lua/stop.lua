-- stop: ends tasks that no replica runs, and asks the replicas of the other running tasks to end them.
--
-- KEYS  prefix, meta
-- ARGV  sequence ('' for none), call, reason, then ids, or counted tasks: see counted.lua
-- Returns per task its state afterwards ('' if there is none) and 1 if the request took effect, -4 if the task has changed
--       since it was counted; or the error STALE. It is 0 for a running task that was asked before.
-- Keeps: a task is never started again after a stop was requested. The request is in stop:REPLICA until the attempt ends.
-- Every exchange and renewal of the replica reads it there. The signal only makes the replica read it sooner. With a
-- sequence, a call that is repeated after its reply was lost does nothing and gets the first reply.
-- uses: base changes counted removal stopping trim
local first = Changes.repeated()
if first then return first end
run_when_full()
local reply, seen = {}, {}
for i = 4, #ARGV do
  local id, state, done = Counted.id(ARGV[i]), '', 0
  if not seen[id] then state, done = Stopping.request(ARGV[i], ARGV[3]) end
  seen[id] = true
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
Stopping.close()
Trim.close()
Removal.write()
return Changes.close(reply)
