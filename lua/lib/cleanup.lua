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

-- MOST is how many clean-ups of a job may fail. Then the task ends, with the job as its orphan.
local MOST, BACKOFF = 20, 'exponential:1000:60000'

-- clean_again handles a clean-up that has not ended the job: another one follows, or the task ends. leave removes the task
-- from the running tasks. It returns whether the task still runs.
function Cleanup.again(m, job, error, leave)
  local tries = job.tries + 1
  Finish.add_repeated(m, 'cleanup', error)
  if tries >= MOST then
    m.orphan = job.name
    leave(m)
    Cleanup.conclude(m, job)
    return false
  end
  call('HSET', Record.extras_key(m.id), 'cleanup_tries', whole(tries))
  Handover.put(m, Retries.backoff_ms(BACKOFF, tries), 'cleanup', error)
  return true
end
