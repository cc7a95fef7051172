-- uses: base event finish jobs outside queue rate request retries run settings shards task
-- Retries in place: the next attempt of a task follows a failed one under the same claim.

-- use_tokens uses a token of the rates of the task's queue and group. It returns false and uses none if one is missing.
local function use_tokens(m)
  local rates = { [Rate.queue_key(m.queue)] = Settings.of(m.queue).rate }
  if m.group then rates[Rate.group_key(m.group)] = Queue.group_rate(m.group) end
  for key, rate in pairs(rates) do
    if Rate.free(key, rate) < 1 then return false end
  end
  for key, rate in pairs(rates) do Rate.take(key, rate, 1) end
  Rate.write()
  return true
end

-- start ends the failed attempt of the report at ARGV[at] and starts the next one. It changes nothing and returns false if
-- the task must not have one now: a stop was requested, its parent has ended, the attempts are used up, its deadline has
-- passed, its job has not ended, or a rate has no token for it, because a retry in place is a start, too.
function Again.start(at, run)
  local m = Task.load(ARGV[at], run)
  if not m or m.state ~= 'running' or Request.of(m) or m.shard and Shards.is_over(m.id) then return false end
  local job = run.flag > '1' and Jobs.of(m)
  if job and (job.name or job.cleanup) then return false end
  local deadline, failures = tonumber(m.deadline_at or nil), Task.counted_up(m.id, m, 'failures')
  if deadline and NOW >= deadline or failures >= Retries.most(m) then return false end
  if not use_tokens(m) then return false end
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
