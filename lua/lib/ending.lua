-- uses: base event exit finish outside record retries staged task totals wake
-- Ends of attempts that need more data than the run entry has.

-- has_handler reports whether a replica that serves the queue has a handler for the kind.
local function has_handler(kind, queue)
  for _, class in ipairs(Wake.classes(queue)) do
    local kinds = call('HGET', P .. 'class:' .. class, 'kinds') -- a repaired class may have none listed
    if not kinds or string.find(kinds, ' ' .. kind .. ' ', 1, true) then return true end
  end
  return false
end

-- add_released adds a released attempt with a log to the history. It replaces an earlier release just before it, so that a
-- task that is released again and again does not remove its failures from the history.
local function add_released(m, code)
  local key = P .. 'history:' .. m.id
  local last = call('LRANGE', key, -1, -1)[1]
  if last and string.find(last, '"code":"' .. code .. '"', 1, true) then call('LTRIM', key, 0, -2) end
  Finish.add_history(m, code)
end

-- release ends a released attempt. The task waits again, unless its deadline would pass first. If the replica had no handler
-- for the kind and no other replica of the queue has one, the attempt fails.
local function release(m, code, delay)
  if m.deadline_at and NOW + delay >= tonumber(m.deadline_at) then return Finish.task(m, 'failed', 'deadline') end
  if code == 'no_handler' and not has_handler(m.kind, m.queue) then
    return Retries.fail(m, code, 'no live replica of queue ' .. m.queue .. ' has a handler for kind ' .. m.kind)
  end
  Retries.put_back(m, delay, code)
end

-- detach makes a running attempt one that is outside for so many ms. The log is that of its replica, '' for none. meta is
-- kept for the last event of the task, nil for none.
local function detach(m, log, size, within, meta)
  local extras = { 'within', whole(within) }
  Record.extra(extras, 'meta', meta)
  if log ~= '' then
    for _, part in ipairs({ 'log', log, 'log_size', size, 'log_fence', m.fence }) do extras[#extras + 1] = part end
  end
  Task.keep(m.id, m, unpack(extras))
  m.run.v = m.run.v + 1
  Task.set_run_flag(m, Outside.OUTSIDE)
  call('ZADD', Outside.KEY, whole(Outside.ends(m, within)), m.id)
  Event.add(m, m.id, 'running', m.run.v, { code = 'detached', attempt = m.attempt, replica = m.replica,
    run_ms = NOW - m.start })
end

-- end_detached ends an attempt that was to be detached: a stop was requested, or it has no token.
local function end_detached(m, stop)
  if not stop then
    return Retries.fail(m, 'permanent', 'the handler detached without a token, so no report could arrive: see ReportToken')
  end
  Finish.add_history(m, 'stopped', stop)
  Finish.task(m, 'stopped', 'stopped', nil, stop)
end

-- stage ends an attempt that has succeeded, of a task whose result an exporter saves. The log is that of its replica, nil
-- for none.
function Ending.stage(m, result, form, log, size)
  m.leaving = true
  Exit.clean_up(m)
  Finish.take_log(m, log, size)
  Staged.begin(m, result, form)
end

-- apply ends an attempt as the report at ARGV[at], of so many strings, says. It returns the verdict on the report, nil for
-- accepted, and whether the task still runs: a report of the op detach ends the attempt only if a stop was requested, or if
-- it has no token.
function Ending.apply(op, at, run, width)
  local m = Task.load(ARGV[at], run)
  if m and m.home and m.run then return Staged.finish(op, at, m) end
  if not m or m.state ~= 'running' then
    Totals.count('orphans')
    return 'g'
  end
  if string.sub(op, -1) == '+' then op, m.meta = string.sub(op, 1, -2), ARGV[at + width - 1] end
  if op == 'detach' and m.run.flag == Outside.TOKEN and not Retries.stop_asked(m) then
    detach(m, ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), m.meta)
    return nil, true
  end
  if op == 'export' then return Ending.stage(m, ARGV[at + 3], ARGV[at + 4], ARGV[at + 1], ARGV[at + 2]) end
  m.leaving = true
  Exit.clean_up(m)
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
  local stop, code = Retries.stop_asked(m), ARGV[at + 3]
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
  if m.log then add_released(m, code) end
  if stop then Finish.task(m, 'stopped', 'stopped', nil, stop)
  else release(m, code, tonumber(ARGV[at + 4])) end
end
