-- uses: base line record settings special
-- Jobs: work of a task at a remote that goes on when its replica ends. While a task has a job it stays among the running
-- tasks of its queue, its group and the pool, and reaches no end.
--
-- more:ID has the text that names the job in job. If its attempt ends otherwise than by a success or a report from outside,
-- the task waits for a take-over: its run entry has the flag 4, it has no claim, and takeover:QUEUE has its id and position,
-- or outside has its id and the time from which it may be taken over. takeover:QUEUE is a field of meta while a replica can
-- claim a task from it. For a task with labels QUEUE is its line, and meta has no such field: see line.lua. An end that was
-- decided meanwhile is in cleanup, "HOW CODE DELAY", and in cleanup_error. The next attempt then only has to end the job: it
-- is a clean-up. cleanup_tries counts the clean-ups that have failed. cleanup_at is when a replica released one last because
-- it uses another remote, cleanup_ms the sum of the times between such releases: see cleanup.lua.

Jobs.UNOWNED = '4'

local function index(line) return P .. 'takeover:' .. line end

-- of returns the job of a running task, nil if it has none and no clean-up: name (nil if it has ended), cleanup, error,
-- tries.
function Jobs.of(m)
  if m.run.flag < '2' then return nil end
  local h = call('HMGET', Record.extras_key(m.id), 'job', 'cleanup', 'cleanup_error', 'cleanup_tries')
  if not h[1] and not h[2] then return nil end
  return { name = h[1], cleanup = h[2], error = h[3] ~= '' and h[3] or nil, tries = number(h[4]) or 0 }
end

-- list lets a replica take over a task that has no claim.
function Jobs.list(m)
  call('ZADD', index(m.line), m.score, m.id)
  claimable[m.line] = true
  if m.line ~= m.queue then return Line.add(m.line, {}) end
  call('HSET', META, 'takeover:' .. m.queue, 1)
  Special.note(m.queue)
  Settings.of(m.queue).takeover = '1'
end

-- unlist removes a task from those that wait for a take-over.
function Jobs.unlist(m)
  call('ZREM', P .. 'outside', m.id)
  if call('ZREM', index(m.line), m.id) == 1 then Jobs.close(m.line) end
end

-- close removes the field of meta if no task of the line can be taken over. It returns whether one can.
function Jobs.close(line)
  if call('EXISTS', index(line)) == 1 then return true end
  local queue, labels = Line.split(line)
  if labels then
    claimable[line] = true
  else
    call('HDEL', META, 'takeover:' .. queue)
    Special.note(queue)
    Settings.of(queue).takeover = nil
  end
  return false
end
