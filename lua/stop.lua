-- stop: ends tasks that no replica runs, and asks the replicas of the other running tasks to end them.
--
-- KEYS  prefix, meta
-- ARGV  reason, then ids
-- Returns per task its state afterwards ('' if there is none) and 1 if the request took effect. It is 0 for a running task
-- that was asked before.
-- Keeps: a task is never started again after a stop was requested. The request is in stop:REPLICA until the attempt ends.
-- Every exchange and renewal of the replica reads it there. The signal only makes the replica read it sooner.
-- uses: base attempts exit finish full handover jobs outside queue record removal staged task totals trim wake
run_when_full()
local reply, signals = {}, {}

-- ask writes the request to stop a running task. It returns 1, or 0 if there was a request before. A later request does not
-- replace the reason, but it signals the replica again.
local function ask(m)
  local first = m.flag == '0' or call('HEXISTS', Record.extras_key(m.id), 'stop') == 0
  if first then Task.keep(m.id, m, 'stop', ARGV[1]) end
  call('SADD', P .. 'stop:' .. m.replica, m.fence .. ' ' .. m.id)
  signals[m.replica] = true
  return first and 1 or 0
end

-- end_outside ends a running task that no replica runs. If it has a job, a replica ends that first.
local function end_outside(m)
  local job = Jobs.of(m)
  if not (job and (job.name or job.cleanup)) then
    Attempts.take_out(m)
    Finish.add_history(m, 'stopped', ARGV[1])
    Finish.task(m, 'stopped', 'stopped', nil, ARGV[1])
    return 'stopped', 1
  end
  local first = call('HSETNX', Record.extras_key(m.id), 'stop', ARGV[1])
  if job.cleanup then return 'running', first end
  if m.run.flag == Outside.OUTSIDE then
    Finish.take_log(m)
    Finish.add_history(m, 'stopped', ARGV[1])
  end
  Handover.decide(m, 'stop', 'stopped', ARGV[1])
  return 'running', 1
end

local seen = {}
for i = 2, #ARGV do
  local m = not seen[ARGV[i]] and Task.load_to_change(ARGV[i])
  seen[ARGV[i]] = true
  local state, done = m and m.state or '', 0
  if state == 'running' and m.run.flag >= Outside.OUTSIDE then
    state, done = end_outside(m)
  elseif m and m.run then
    done = ask(m)
  elseif state == 'exporting' then
    Staged.stop(m, ARGV[1])
    state, done = 'stopped', 1
  elseif state == 'waiting' or state == 'scheduled' then
    call('ZREM', P .. 'scheduled', m.id)
    Full.remove(m.queue, m.kind, m.score, m.id)
    Queue.remove(m.queue, m.group, m.score, m.id)
    Finish.task(m, 'stopped', 'stopped', nil, ARGV[1])
    state, done = 'stopped', 1
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
for replica in pairs(signals) do
  if call('HEXISTS', P .. 'replica:' .. replica, 'about') == 1 then
    call('HSET', P .. 'replica:' .. replica, 'stop', 1)
    Wake.signal(replica, 'stop')
  end
end
Exit.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
return Task.answer(reply)
