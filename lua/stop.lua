-- stop: ends tasks that no replica runs, and asks the replicas of the other running tasks to end them.
--
-- KEYS  prefix, meta
-- ARGV  reason, then ids
-- Returns per task its state afterwards ('' if there is none) and 1 if the request took effect. It is 0 for a running task
-- that was asked before.
-- Keeps: a task is never started again after a stop was requested. The request is in stop:REPLICA until the attempt ends.
-- Every exchange and renewal of the replica reads it there. The signal only makes the replica read it sooner.
-- uses: base removal stopping task totals trim wake
run_when_full()
local reply, seen = {}, {}
for i = 2, #ARGV do
  local state, done = '', 0
  if not seen[ARGV[i]] then state, done = Stopping.request(ARGV[i], ARGV[1]) end
  seen[ARGV[i]] = true
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
Stopping.close()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
return Task.answer(reply)
