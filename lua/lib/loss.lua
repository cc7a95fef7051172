-- uses: attempts base broadcast cleanup finish full jobs line parents record request stopping task
-- Tasks that only one replica could run, which has gone: children of broadcasts (see broadcast.lua), also if it drains, and
-- tasks with its label id= that wait for a take-over (see jobs.lua). The id of a replica is never used again, so without
-- this the latter would keep their places for ever. One that waits for its start has no place, and waits.

-- MOST is how many children one step looks at. WAIT is after how many ms the next one follows if it has ended none.
local MOST, WAIT = 100, 500

-- lose ends a task that no replica runs. It returns whether it did.
local function lose(m, why)
  if m.run and m.run.flag == Jobs.UNOWNED then -- only its own replica could have ended its job
    local job, stop = Jobs.of(m) or {}, Request.of(m)
    m.orphan = job.name
    Attempts.take_out(m)
    if job.cleanup then Cleanup.conclude(m, job)
    elseif stop then Finish.task(m, 'stopped', 'stopped', nil, stop)
    else Finish.task(m, 'failed', 'lost', nil, why) end
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
    local m = Task.load(id)
    if m and m.member == replica and not Record.TERMINAL[m.state] then
      if lose(m, why) then ended = ended + 1 else kept[#kept + 1] = id end
    end
  end
  if #ids < MOST or call('EXISTS', key) == 0 then why = nil end
  if kept[1] then call('SADD', key, unpack(kept)) end
  return ended, why and whole(NOW + (ended > 0 and 0 or WAIT)) or nil
end

-- line ends tasks of a line that wait for a take-over, if its replica has gone. It returns how many, and the time of the
-- next step, nil for none.
function Loss.line(line)
  local labels, ended = select(2, Line.split(line)), 0
  local replica = string.match(labels or '', '^id=([^,]+)')
  local h = replica and Record.soft('HGET', P .. 'replica:' .. replica, 'about')
  if not replica or h then return 0, nil end
  local key, why = P .. 'takeover:' .. line, 'replica ' .. replica .. ' has gone'
  for _, id in ipairs(Record.soft('ZRANGE', key, 0, MOST - 1) or {}) do
    local m = Task.load(id)
    if m and m.line == line and m.run and m.run.flag == Jobs.UNOWNED and lose(m, why) then ended = ended + 1
    else call('ZREM', key, id) end
  end
  return ended, call('EXISTS', key) == 1 and NOW_TEXT or nil
end
