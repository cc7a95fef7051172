-- uses: base event jobs record request task
-- Ends of attempts whose task keeps its job: see jobs.lua.

-- put lets a task with a job wait for a take-over, from delay ms on. The caller ends its claim.
function Handover.put(m, delay, code, error)
  local extras = Record.extras_key(m.id)
  local v = m.v + 1
  local set = { 'v', whole(v), 'attempt', m.attempt, 'code', code, 'due_at', whole(NOW + delay), 'replica', m.replica,
    'started_at', whole(m.start), 'fence', m.fence }
  Record.extra(set, 'error', error)
  Record.extra(set, 'lost', m.lost)
  call('HSET', extras, unpack(set))
  if not error then call('HDEL', extras, 'error') end
  -- within lets a clock that was set back shorten the delay.
  if delay > 0 then call('HSET', extras, 'within', whole(delay)) else call('HDEL', extras, 'within') end
  Request.forget(m.replica, m.fence .. ' ' .. m.id)
  m.run.v = v
  m.v = v
  Task.set_run_flag(m, Jobs.UNOWNED)
  Jobs.unlist(m)
  if delay > 0 then call('ZADD', P .. 'outside', whole(NOW + delay), m.id) else Jobs.list(m) end
  Event.add(m, m.id, 'running', v, { code = code, attempt = m.attempt, replica = m.replica, run_ms = NOW - m.start,
    error = error })
end

-- decide stores the end of an attempt whose job has not ended, and lets the task wait for its clean-up. The token of the
-- attempt is no longer valid. how is stop, fail (the policy decides whether the task is retried, after delay if it is given)
-- or end.
function Handover.decide(m, how, code, error, delay)
  local extras = Record.extras_key(m.id)
  call('HSET', extras, 'cleanup', how .. ' ' .. code .. ' ' .. (delay and whole(delay) or '-'), 'cleanup_error', error or '')
  call('HDEL', extras, 'token')
  Handover.put(m, 0, 'cleanup', error)
end
