-- uses: attempts base broadcast cleanup finish full jobs line outside parents policy record request server stopping task
-- Ends tasks that no replica can run. These are
-- - children of broadcasts whose replica has gone or drains: see broadcast.lua,
-- - tasks that wait for a take-over (see jobs.lua) by a replica, their label id=, that has gone: its id is never used again,
-- - tasks that wait for a take-over by a replica of a host, their label host=, that has had none for UNSERVED ms.
-- They would count for their limits for ever. A task with such a label that has not started counts for no limit. It is left
-- to wait.

-- MOST is how many tasks one step reads. All others are in ms. After a step that has ended no task, the next one follows
-- after WAIT, or after RECHECK if the replica is on the list and does not serve the line. REPORT is how long a task without
-- a timeout waits for a report from outside. A line of a host is checked each GAP, and a longer time between two checks
-- counts as GAP.
local MOST, WAIT, RECHECK, REPORT = 100, 500, 60000, 86400000
local UNSERVED, GAP = 7 * 86400000, 600000

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

-- is_unserved counts for how many ms a line of a host has had no server: meta has in unserved:LINE when it was counted last,
-- and the sum. Time in which no replica ran, or by which the clock was set forward, counts as GAP. is_unserved returns
-- whether the sum has reached UNSERVED.
local function is_unserved(line)
  local field = 'unserved:' .. line
  local at, sum = string.match(call('HGET', META, field) or '', '^(%d+) (%d+)$')
  sum = (number(sum) or 0) + math.min(math.max(NOW - (number(at) or NOW), 0), GAP)
  call('HSET', META, field, NOW_TEXT .. ' ' .. whole(sum))
  return sum >= UNSERVED
end

-- why_lost returns why the tasks of a line that wait for a take-over end. If they do not, it returns nil and after how many
-- ms they are looked at again, nil for never.
local function why_lost(line, queue, labels)
  local replica, is_served = string.match(labels, '^id=([^,]+)'), Server.of(queue, labels)[1]
  if replica then
    if not Record.soft('HGET', P .. 'replica:' .. replica, 'about') then return 'replica ' .. replica .. ' has gone' end
    return nil, not is_served and RECHECK
  end
  if is_served then return nil end
  if not is_unserved(line) then return nil, GAP end
  return 'no replica of queue ' .. queue .. ' has had the labels ' .. string.gsub(labels, ',', ' ') .. ' for 7 days'
end

-- line ends tasks of a line that wait for a take-over, if no replica will make it. It returns how many, and the time of the
-- next step, nil for none. A damaged task leaves the line; the doctor lists it again.
function Loss.line(line)
  local queue, labels = Line.split(line)
  local key, ended = P .. 'takeover:' .. line, 0
  local ids = labels and Record.soft('ZRANGE', key, 0, MOST - 1)
  if not ids then return 0, nil end -- the doctor renames a key of another type
  local why, wait
  if ids[1] then why, wait = why_lost(line, queue, labels) end
  for _, id in ipairs(why and ids or {}) do
    local m = Task.load_to_change(id)
    if not (m and m.line == line and m.run and m.run.flag == Jobs.UNOWNED) then call('ZREM', key, id)
    elseif not (string.find(labels, '^id=') and await(m)) and lose(m, why) then ended = ended + 1 end
  end
  if Jobs.close(line) and why then wait = 0 end
  if not wait then call('HDEL', META, 'unserved:' .. line) end
  return ended, wait and whole(NOW + wait) or nil
end
