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

-- MOST is how many clean-ups of a job may fail, LONGEST for how many ms replicas may release them. Then the task ends, with
-- the job as its orphan.
local MOST, BACKOFF, LONGEST, SLOWEST = 20, 'exponential:1000:60000', 86400000, 60000

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

-- released is again for a clean-up that was released. With a delay, the replica has no access to the remote of the job, and
-- another one may have it. The delay grows with the time since the end was decided.
function Cleanup.released(m, job, delay, leave)
  local error
  if delay > 0 then
    local extras = Record.extras_key(m.id)
    call('HSETNX', extras, 'cleanup_at', NOW_TEXT)
    local age = math.max(NOW - (number(call('HGET', extras, 'cleanup_at')) or NOW), 0)
    error = 'replica ' .. m.replica .. ' does not use the remote of the job'
    if age >= LONGEST then
      Finish.add_repeated(m, 'cleanup', error)
      return give_up(m, job, leave)
    end
    delay = math.max(delay, math.min(math.floor(age / 8), SLOWEST))
  end
  Handover.put(m, delay, 'released', error)
  return true
end
