-- uses: base finish handover record request retries
-- Clean-ups: attempts that only have to end the job of their task: see jobs.lua.

-- decision returns how, code and delay of a job's clean-up.
local function decision(job)
  local how, code, delay = string.match(job.cleanup, '^(%l+) ([%l_]+) (%S+)$')
  return how or 'fail', code or 'error', tonumber(delay or nil)
end

-- conclude ends a task as it was decided before its clean-up. The caller has removed it from the running tasks.
function Cleanup.conclude(m, job)
  local how, code, delay = decision(job)
  local stop = Request.of(m)
  m.recorded = true
  if how == 'stop' then return Finish.task(m, 'stopped', code, nil, job.error) end
  if stop then return Finish.task(m, 'stopped', 'stopped', nil, stop) end
  if how == 'end' or m.orphan then return Finish.task(m, 'failed', code, nil, job.error) end
  Retries.fail(m, code, job.error, delay)
end

-- MOST is how many clean-ups of a job may fail, LONGEST for how many ms replicas that use another remote may release them.
-- Then the task ends, with the job as its orphan. GAP is how many ms between two such releases count at most.
local MOST, BACKOFF, LONGEST, GAP, SLOWEST = 20, 'exponential:1000:60000', 86400000, 600000, 60000

local function give_up(m, job, leave)
  m.orphan = job.name
  leave(m)
  Cleanup.conclude(m, job)
  return false
end

-- again handles a clean-up that has not ended the job: another one follows, or the task ends. leave removes the task from
-- the running tasks. It returns whether the task still runs.
function Cleanup.again(m, job, error, leave)
  local tries = job.tries + 1
  Finish.add_repeated(m, 'cleanup', error)
  if tries >= MOST then return give_up(m, job, leave) end
  call('HSET', Record.extras_key(m.id), 'cleanup_tries', whole(tries))
  Handover.put(m, Retries.backoff_ms(BACKOFF, tries), 'cleanup', error)
  return true
end

-- released is again for a clean-up that was released. m.elsewhere is set if the replica uses another remote than the job.
-- Another replica may use that one. Only these releases count, and the delay grows with the time between them. Time in which
-- no replica took the task, or by which the clock was set forward, counts as GAP.
function Cleanup.released(m, job, delay, leave)
  local error
  if m.elsewhere then
    local extras = Record.extras_key(m.id)
    local h = call('HMGET', extras, 'cleanup_at', 'cleanup_ms')
    local sum = (number(h[2]) or 0) + math.min(math.max(NOW - (number(h[1]) or NOW), 0), GAP)
    error = 'replica ' .. m.replica .. ' does not use the remote of the job'
    if sum >= LONGEST then
      Finish.add_repeated(m, 'cleanup', error)
      return give_up(m, job, leave)
    end
    call('HSET', extras, 'cleanup_at', NOW_TEXT, 'cleanup_ms', whole(sum))
    delay = math.max(delay, math.min(math.floor(sum / 8), SLOWEST))
  end
  Handover.put(m, delay, 'released', error)
  return true
end
