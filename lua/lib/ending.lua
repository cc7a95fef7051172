-- uses: base cleanup detach exit finish handover jobs outside request retries server staged task totals wake
-- Ends of attempts that need more data than the run entry has.

-- has_handler reports whether a replica that serves the line of a task has a handler for its kind.
local function has_handler(m)
  for _, class in ipairs(Server.classes_of(m.line) or Wake.classes(m.queue)) do
    local kinds = call('HGET', P .. 'class:' .. class, 'kinds') -- a repaired class may have none listed
    if not kinds or string.find(kinds, ' ' .. m.kind .. ' ', 1, true) then return true end
  end
  return false
end

local function no_handler_error(m) return 'no live replica of queue ' .. m.queue .. ' has a handler for kind ' .. m.kind end

-- release ends a released attempt. The task waits again, unless its deadline would pass first. If the replica had no handler
-- for the kind and no other replica of the queue has one, the attempt fails.
local function release(m, code, delay)
  if m.deadline_at and NOW + delay >= tonumber(m.deadline_at) then return Finish.task(m, 'failed', 'deadline') end
  if code == 'no_handler' and not has_handler(m) then
    return Retries.fail(m, code, no_handler_error(m))
  end
  Retries.put_back(m, delay, code)
end

-- end_detached ends an attempt that was to be detached: a stop was requested, or it has no token.
local NO_TOKEN = 'the handler detached without a token, so no report could arrive: see ReportToken'
local function end_detached(m, stop)
  if not stop then return Retries.fail(m, 'permanent', NO_TOKEN) end
  Finish.add_history(m, 'stopped', stop)
  Finish.task(m, 'stopped', 'stopped', nil, stop)
end

local SUCCESS = { ok = true, result = true, log = true, export = true }

local function leave(m)
  m.leaving = true
  Exit.clean_up(m)
end

-- stage ends an attempt that has succeeded, of a task whose result an exporter saves. The log is that of its replica, nil
-- for none.
function Ending.stage(m, result, form, log, size)
  leave(m)
  Finish.take_log(m, log, size)
  Staged.begin(m, result, form)
end

-- cleaned_up ends a clean-up as the report at ARGV[at] says. It returns whether the task still runs.
local function cleaned_up(m, job, op, at)
  if SUCCESS[op] then Finish.take_log(m) else Finish.take_log(m, ARGV[at + 1], ARGV[at + 2]) end
  if SUCCESS[op] or not job.name then
    leave(m)
    Cleanup.conclude(m, job)
    return false
  end
  if op == 'release' and ARGV[at + 3] == 'released' then
    return Cleanup.released(m, job, tonumber(ARGV[at + 4]), leave)
  end
  local error = op == 'release' and no_handler_error(m) or op == 'detach' and NO_TOKEN or ARGV[at + 4]
  return Cleanup.again(m, job, error, leave)
end

-- end_with_job ends an attempt that did not succeed and whose job has not ended.
local function end_with_job(m, op, at)
  Finish.take_log(m, ARGV[at + 1], ARGV[at + 2])
  local stop, code, deadline = Request.of(m), ARGV[at + 3], tonumber(m.deadline_at or nil)
  if op == 'fail' or op == 'again' then
    local error = ARGV[at + 4]
    Finish.add_history(m, code, error)
    if stop then Handover.decide(m, 'stop', code == 'stop_abandoned' and code or 'stopped', stop)
    else Handover.decide(m, 'fail', code, error, tonumber(ARGV[at + 5])) end
  elseif op == 'detach' then
    Finish.add_history(m, stop and 'stopped' or 'permanent', stop or NO_TOKEN)
    if stop then Handover.decide(m, 'stop', 'stopped', stop) else Handover.decide(m, 'fail', 'permanent', NO_TOKEN) end
  else
    local delay = tonumber(ARGV[at + 4])
    if m.log then Finish.add_repeated(m, code) end
    if stop then Handover.decide(m, 'stop', 'stopped', stop)
    elseif deadline and NOW + delay >= deadline then Handover.decide(m, 'end', 'deadline')
    elseif code ~= 'no_handler' or has_handler(m) then Handover.put(m, delay, code)
    else Handover.decide(m, 'fail', code, no_handler_error(m)) end
  end
end

-- apply ends an attempt as the report at ARGV[at], of so many strings, says. from_outside is set for a report from outside.
-- It returns the verdict on the report, nil for accepted, and whether the task still runs: a report of the op detach ends
-- the attempt only if a stop was requested, or if it has no token; a report of its replica that is no success does not end a
-- task with a job.
function Ending.apply(op, at, run, width, from_outside)
  local m = Task.load(ARGV[at], run)
  local elsewhere = ARGV[at + 3] == 'elsewhere' and string.find(op, '^release')
  if elsewhere then ARGV[at + 3] = 'released' end
  if m and m.home and m.run then return Staged.finish(op, at, m) end
  if not m or m.state ~= 'running' then
    Totals.count('orphans')
    return 'g'
  end
  if string.sub(op, -1) == '+' then op, m.meta = string.sub(op, 1, -2), ARGV[at + width - 1] end
  if elsewhere then m.elsewhere = true end
  local job = m.run.flag > '1' and Jobs.of(m)
  if job and job.cleanup and not from_outside then return nil, cleaned_up(m, job, op, at) end
  if op == 'detach' and m.run.flag == Outside.TOKEN and Outside.has_token(m.id) and not Request.of(m) then
    Detach.attempt(m, ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), m.meta)
    return nil, true
  end
  if job and job.name and not SUCCESS[op] and not from_outside then
    end_with_job(m, op, at)
    return nil, true
  end
  if op == 'export' then return Ending.stage(m, ARGV[at + 3], ARGV[at + 4], ARGV[at + 1], ARGV[at + 2]) end
  leave(m)
  if op == 'ok' or op == 'result' then
    Finish.take_log(m)
    if op == 'result' then Finish.task(m, 'succeeded', 'ok', ARGV[at + 1], nil, ARGV[at + 2])
    else Finish.task(m, 'succeeded', 'ok') end
    return nil
  end
  Finish.take_log(m, ARGV[at + 1], ARGV[at + 2])
  if op == 'log' then
    if ARGV[at + 3] == '1' then Finish.task(m, 'succeeded', 'ok', ARGV[at + 4], nil, ARGV[at + 5])
    else Finish.task(m, 'succeeded', 'ok') end
    return nil
  end
  local stop, code = Request.of(m), ARGV[at + 3]
  if op == 'detach' then return end_detached(m, stop) end
  if op == 'fail' or op == 'again' then
    local error = ARGV[at + 4]
    if stop then
      Finish.add_history(m, code, error)
      Finish.task(m, 'stopped', code == 'stop_abandoned' and code or 'stopped', nil, stop)
    else
      Retries.fail(m, code, error, tonumber(ARGV[at + 5]))
    end
    return nil
  end
  if m.log then Finish.add_repeated(m, code) end
  if job and job.name then Task.drop_checkpoint(m) end -- the report says that the job is over
  if stop then Finish.task(m, 'stopped', 'stopped', nil, stop)
  else release(m, code, tonumber(ARGV[at + 4])) end
end
