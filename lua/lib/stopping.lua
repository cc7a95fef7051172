-- uses: base attempts counted exit finish full handover jobs outside queue record staged task wake
-- Requests to stop tasks.

-- signals has the replicas that run tasks with new requests.
Stopping.signals = {}

-- ask writes the request to stop a running task. It returns 1, or 0 if there was a request before. A later request does not
-- replace the reason, but it signals the replica again.
local function ask(m, why)
  local first = m.flag == '0' or call('HEXISTS', Record.extras_key(m.id), 'stop') == 0
  if first then Task.keep(m.id, m, 'stop', why) end
  call('SADD', P .. 'stop:' .. m.replica, m.fence .. ' ' .. m.id)
  Stopping.signals[m.replica] = true
  return first and 1 or 0
end

-- end_outside ends a running task that no replica runs. If it has a job, a replica ends that first.
local function end_outside(m, why)
  local job = Jobs.of(m)
  if not (job and (job.name or job.cleanup)) then
    Attempts.take_out(m)
    Finish.add_history(m, 'stopped', why)
    Finish.task(m, 'stopped', 'stopped', nil, why)
    return 'stopped', 1
  end
  local first = call('HSETNX', Record.extras_key(m.id), 'stop', why)
  if job.cleanup then return 'running', first end
  if m.run.flag == Outside.OUTSIDE then
    Finish.take_log(m)
    Finish.add_history(m, 'stopped', why)
  end
  Handover.decide(m, 'stop', 'stopped', why)
  return 'running', 1
end

-- take_out removes a task that waits, or is scheduled, from its queue and the schedule.
function Stopping.take_out(m)
  call('ZREM', P .. 'scheduled', m.id)
  Full.remove(m.line, m.kind, m.score, m.id)
  Queue.remove(m.line, m.group, m.score, m.id)
end

-- request stops a task, or asks the replica that runs it to end it. It returns its state afterwards ('' if there is none)
-- and 1 if the request took effect, -4 if the task has changed since it was counted, -5 if it is damaged.
function Stopping.request(text, why)
  local m, damaged = Task.load_to_change(Counted.id(text))
  if damaged then return '', -5 end
  local state = m and m.state or ''
  if m and not Counted.is_same(m, text) then return state, -4 end
  if state == 'running' and not m.run then -- a parent, whose children are stopped later
    Finish.task(m, 'stopped', 'stopped', nil, why)
    return 'stopped', 1
  end
  if state == 'running' and m.run.flag >= Outside.OUTSIDE then return end_outside(m, why) end
  if m and m.run then return state, ask(m, why) end
  if state == 'exporting' then
    Staged.stop(m, why)
  elseif state == 'waiting' or state == 'scheduled' then
    Stopping.take_out(m)
    Finish.task(m, 'stopped', 'stopped', nil, why)
  else
    return state, 0
  end
  return 'stopped', 1
end

-- close signals the replicas, and removes the ended attempts from the running tasks.
function Stopping.close()
  for replica in pairs(Stopping.signals) do
    if call('HEXISTS', P .. 'replica:' .. replica, 'about') == 1 then
      call('HSET', P .. 'replica:' .. replica, 'stop', 1)
      Wake.signal(replica, 'stop')
    end
  end
  Exit.write()
end
