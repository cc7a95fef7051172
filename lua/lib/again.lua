-- uses: base event finish jobs outside request retries run shards task
-- Retries in place: the next attempt of a task follows a failed one under the same claim.

-- start ends the failed attempt of the report at ARGV[at] and starts the next one. It changes nothing and returns false if
-- the task must not have one now: a stop was requested, its parent has ended, the attempts are used up, its deadline has
-- passed, or its job has not ended.
function Again.start(at, run)
  local m = Task.load(ARGV[at], run)
  if not m or m.state ~= 'running' or Request.of(m) or m.shard and Shards.is_over(m.id) then return false end
  local job = run.flag > '1' and Jobs.of(m)
  if job and (job.name or job.cleanup) then return false end
  local deadline, failures = tonumber(m.deadline_at or nil), Task.counted_up(m.id, m, 'failures')
  if deadline and NOW >= deadline or failures >= Retries.most(m) then return false end
  local code, error, v = ARGV[at + 3], ARGV[at + 4], m.v + 1
  Finish.take_log(m, ARGV[at + 1], ARGV[at + 2])
  Finish.add_history(m, code, error)
  m.leaving = true -- the entry is written below
  Task.drop_checkpoint(m)
  if run.flag > '1' then Outside.forget(m) end
  Task.keep(m.id, m, 'v', whole(v), 'attempt', m.attempt, 'code', code, 'error', error, 'failures', whole(failures),
    'replica', m.replica, 'started_at', whole(m.start), 'fence', m.fence)
  Event.add(m, m.id, 'waiting', v, { code = code, attempt = m.attempt, replica = m.replica, run_ms = NOW - m.start,
    error = error })
  local attempt = whole(tonumber(m.attempt) + 1)
  call('HSET', P .. 'run:' .. m.queue, m.id,
    Run.text(run.fence, attempt, whole(v + 1), NOW_TEXT, '1', run.kind, run.replica, run.group))
  Event.add(m, m.id, 'running', v + 1, { attempt = attempt, replica = m.replica, wait_ms = 0 })
  return true
end
