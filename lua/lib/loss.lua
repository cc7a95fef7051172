-- uses: attempts base broadcast cleanup finish full jobs line outside parents policy record request server stopping task
-- Ends tasks that only one replica could run after that replica has gone. These are children of broadcasts (see
-- broadcast.lua), also if the replica only drains, and tasks with its label id= that wait for a take-over (see jobs.lua).
-- The id of a replica is never used again, so a task of the second kind would count for its limits for ever. A task with
-- the label that has not started counts for no limit. It is left to wait.

-- MOST is how many tasks one step looks at. WAIT is after how many ms the next one follows if it has ended none, RECHECK if
-- the replica is on the list and does not serve the line. REPORT is for how many ms a task without a timeout waits for a
-- report from outside.
local MOST, WAIT, RECHECK, REPORT = 100, 500, 60000, 86400000

-- lose ends a task that no replica runs. It returns whether it did.
local function lose(m, why)
  if m.run and m.run.flag == Jobs.UNOWNED then -- only its own replica could have ended its job
    local job, stop, deadline = Jobs.of(m) or {}, Request.of(m), tonumber(m.deadline_at or nil)
    m.orphan = job.name
    Attempts.take_out(m)
    if job.cleanup then Cleanup.conclude(m, job)
    elseif stop then Finish.task(m, 'stopped', 'stopped', nil, stop)
    else Finish.task(m, 'failed', deadline and deadline <= NOW and 'deadline' or 'lost', nil, why) end
  elseif m.state == 'waiting' or m.state == 'scheduled' then
    Stopping.take_out(m)
    Finish.task(m, 'failed', 'lost', nil, why)
  else
    return false
  end
  return true
end

-- some ends children for a replica that do not run, if it has gone or drains. It returns how many, and the time of the next
-- step, nil for none. A child that runs ends with its attempt, or is met again when it waits: see offer.lua.
function Loss.some(replica)
  local key, why, kept, ended = Broadcast.key(replica), Broadcast.missing(replica), {}, 0
  local ids = why and Record.soft('SPOP', key, MOST) or {}
  for _, id in ipairs(ids) do
    local m, damaged = Task.load_to_change(id)
    if damaged then
      kept[#kept + 1] = id
    elseif m and m.member == replica and not Record.TERMINAL[m.state] then
      if lose(m, why) then ended = ended + 1 else kept[#kept + 1] = id end
    end
  end
  if #ids < MOST or call('EXISTS', key) == 0 then why = nil end
  if kept[1] then call('SADD', key, unpack(kept)) end
  return ended, why and whole(NOW + (ended > 0 and 0 or WAIT)) or nil
end

-- await lets a task with a token wait in outside, because a report from outside can still end it. It waits for its timeout,
-- counted from the first call, and not past its deadline. It returns whether the task waits.
local function await(m)
  if not Outside.has_token(m.id) then return false end -- also if its end was decided
  local extras, most = Record.extras_key(m.id), Policy.time_for(m, 0)
  if most == math.huge then most = REPORT end
  local at = math.min(number(call('HGET', extras, 'report_until')) or math.huge, NOW + most)
  if at <= NOW then return false end
  call('HSET', extras, 'report_until', whole(at), 'within', whole(at - NOW))
  Jobs.unlist(m)
  call('ZADD', Outside.KEY, whole(at), m.id)
  return true
end

-- line ends tasks of a line that wait for a take-over, if its replica has gone. It returns how many, and the time of the
-- next step, nil for none. A damaged task leaves the line; the doctor lists it again.
function Loss.line(line)
  local queue, labels = Line.split(line)
  local replica, ended = string.match(labels or '', '^id=([^,]+)'), 0
  local key = P .. 'takeover:' .. line
  local ids = replica and Record.soft('ZRANGE', key, 0, MOST - 1)
  if not ids then return 0, nil end -- the doctor renames a key of another type
  if Record.soft('HGET', P .. 'replica:' .. replica, 'about') then
    return 0, ids[1] and not Server.of(queue, labels)[1] and whole(NOW + RECHECK) or nil
  end
  for _, id in ipairs(ids) do
    local m = Task.load_to_change(id)
    if not (m and m.line == line and m.run and m.run.flag == Jobs.UNOWNED) then call('ZREM', key, id)
    elseif not await(m) and lose(m, 'replica ' .. replica .. ' has gone') then ended = ended + 1 end
  end
  return ended, Jobs.close(line) and NOW_TEXT or nil
end
