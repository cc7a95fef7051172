-- uses: base broadcast cleanup exit finish handover jobs policy request retries task totals
-- Ends of attempts that their replicas have not reported.

-- end_job ends a task as failed, after its clean-up if it has a job.
local function end_job(m, has_job, code, error)
  if has_job then return Handover.decide(m, 'end', code, error) end
  Finish.task(m, 'failed', code, nil, error)
end

-- lose puts a task whose lease has ended back, or ends it after too many losses. One with a job waits for a take-over.
function Attempts.lose(m, has_job)
  Totals.count('lost')
  local lost, p = Task.counted_up(m.id, m, 'lost'), Policy.of(m.kind)
  m.lost = whole(lost)
  local error = 'lease of replica ' .. m.replica .. ' ended without a report'
  Finish.add_history(m, 'lost', error)
  if lost > (tonumber(p.max_lost or nil) or 3) then
    return end_job(m, has_job, 'lost', error .. ', the ' .. lost .. 'th time')
  end
  if m.member and Broadcast.missing(m.member) then return end_job(m, has_job, 'lost', error) end
  -- A task that kills its process also loses the other attempts of that process. From the second loss on, a random delay
  -- keeps these tasks from starting together again.
  local delay = lost > 1 and Retries.backoff_ms(m.backoff or p.backoff, lost - 1) or 0
  local deadline = tonumber(m.deadline_at or nil)
  if deadline and NOW + delay >= deadline then return end_job(m, has_job, 'deadline', error) end
  if has_job then Handover.put(m, delay, 'lost', error) else Retries.put_back(m, delay, 'lost', error) end
end

-- take_out removes a task from the running tasks before another way to end its attempt than a report of its replica.
function Attempts.take_out(m)
  m.leaving = true
  Exit.add(m.queue, m.id)
  Exit.clean_up(m)
  Finish.take_log(m)
end

-- take_back_job ends an attempt whose lease has ended and whose task has a job.
local function take_back_job(m, cut, job)
  if job.cleanup and not job.name then
    Attempts.take_out(m)
    return Cleanup.conclude(m, job)
  end
  Finish.take_log(m)
  if job.cleanup then
    return Cleanup.again(m, job, 'lease of replica ' .. m.replica .. ' ended without a report', Attempts.take_out)
  end
  local stop = Request.of(m)
  if stop then
    if m.log then Finish.add_history(m, 'stopped') end
    Handover.decide(m, 'stop', 'stopped', stop)
  elseif cut == '1' then
    local error = 'attempt timed out on replica ' .. m.replica .. ', which did not report it'
    Finish.add_history(m, 'timeout', error)
    Handover.decide(m, 'fail', 'timeout', error)
  else
    Attempts.lose(m, true)
  end
end

-- take_back ends an attempt whose lease has ended. cut is '1' if the attempt's own bound shortened the lease.
function Attempts.take_back(m, cut)
  local job = m.run.flag > '1' and Jobs.of(m)
  if job and (job.name or job.cleanup) then return take_back_job(m, cut, job) end
  Attempts.take_out(m)
  local stop = Request.of(m)
  if stop and m.log then Finish.add_history(m, 'stopped') end
  if stop then return Finish.task(m, 'stopped', 'stopped', nil, stop) end
  if cut == '1' then
    return Retries.fail(m, 'timeout', 'attempt timed out on replica ' .. m.replica .. ', which did not report it')
  end
  Attempts.lose(m)
end

-- time_out ends an attempt outside for which no report has arrived in time.
function Attempts.time_out(m)
  local job, error = Jobs.of(m), 'no report from outside arrived in time'
  if job and job.name then
    Finish.take_log(m)
    Finish.add_history(m, 'timeout', error)
    return Handover.decide(m, 'fail', 'timeout', error)
  end
  Attempts.take_out(m)
  Retries.fail(m, 'timeout', error)
end
