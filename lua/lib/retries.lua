-- uses: base event exit finish policy queue record task totals
-- Retries: what a failed, lost or released attempt leads to.

local LONGEST = 31536000000 -- ms: a longer backoff, 365 days, is refused at enqueue

-- backoff_ms is the wait before retry n, with full jitter: up to the base doubled n - 1 times, never over the maximum.
local function backoff_ms(backoff, n)
  local fixed = string.match(backoff or '', '^fixed:(%d+)$')
  if fixed then return math.min(tonumber(fixed), LONGEST) end
  local base, most = string.match(backoff or '', '^exponential:(%d+):(%d+)$')
  base, most = tonumber(base or 1000), math.min(tonumber(most or 600000), LONGEST)
  local top = most
  if n <= 50 then top = math.min(most, base * 2 ^ (n - 1)) end
  return math.floor(math.random() * (top + 1))
end

-- put_back puts a task that has left running back: to its old position, or on the schedule if it has to wait first.
function Retries.put_back(m, delay, code, error)
  local state = delay > 0 and 'scheduled' or 'waiting'
  local v = m.v + 1
  local extras = { 'v', whole(v), 'attempt', m.attempt, 'code', code, 'due_at', whole(NOW + delay), 'replica', m.replica,
    'started_at', whole(m.start), 'fence', m.fence }
  Record.extra(extras, 'error', error)
  Record.extra(extras, 'failures', m.failures)
  Record.extra(extras, 'lost', m.lost)
  call('HSET', Record.extras_key(m.id), unpack(extras))
  if not error and m.flag == '1' then call('HDEL', Record.extras_key(m.id), 'error') end
  local letter = delay > 0 and 's' or m.letter
  if letter ~= m.letter or m.flag ~= '1' then call('SETRANGE', Record.key(m.id), 0, letter .. '1') end
  if delay > 0 then
    call('ZADD', P .. 'scheduled', whole(NOW + delay), m.id)
    scheduled[m.id] = m.queue
  else
    Queue.insert(m.queue, m.group, m.score, m.id)
    claimable[m.queue] = true
  end
  Event.add(m, m.id, state, v, { code = code, attempt = m.attempt, replica = m.replica, run_ms = NOW - m.start,
    error = error })
end

-- fail ends a failed attempt of a task that has left running: for good, or with another try after delay (nil: the
-- policy's backoff).
local FINAL = { permanent = true, bad_payload = true, no_handler = true, deadline = true }
function Retries.fail(m, code, error, log, delay)
  Finish.add_history(m, code, error, log)
  local deadline = tonumber(m.deadline_at or nil)
  if deadline and NOW >= deadline then code = 'deadline' end
  local failures = Task.counted_up(m.id, m, 'failures')
  m.failures = whole(failures)
  if FINAL[code] then return Finish.task(m, 'failed', code, nil, error) end
  local p = Policy.of(m.kind)
  if failures >= (tonumber(m.max_attempts or p.max_attempts or nil) or 5) then
    return Finish.task(m, 'failed', code, nil, error)
  end
  delay = delay or backoff_ms(m.backoff or p.backoff, failures)
  if deadline and NOW + delay >= deadline then return Finish.task(m, 'failed', 'deadline', nil, error) end
  Retries.put_back(m, delay, code, error or '')
end

-- stop_asked is the reason given with a stop request for a running task, nil for none.
function Retries.stop_asked(m) return m.flag == '1' and call('HGET', Record.extras_key(m.id), 'stop') or nil end

-- lose takes back an attempt whose lease has ended, or ends its task after too many losses.
function Retries.lose(m)
  Totals.count('lost')
  local lost, p = Task.counted_up(m.id, m, 'lost'), Policy.of(m.kind)
  m.lost = whole(lost)
  local error = 'lease of replica ' .. m.replica .. ' ended without a report'
  Finish.add_history(m, 'lost', error)
  if lost > (tonumber(p.max_lost or nil) or 3) then
    return Finish.task(m, 'failed', 'lost', nil, error .. ', the ' .. lost .. 'th time')
  end
  -- What ran beside a task that kills its process was lost with it: from the second time on they come back apart.
  local delay = lost > 1 and backoff_ms(m.backoff or p.backoff, lost - 1) or 0
  local deadline = tonumber(m.deadline_at or nil)
  if deadline and NOW + delay >= deadline then return Finish.task(m, 'failed', 'deadline', nil, error) end
  Retries.put_back(m, delay, 'lost', error)
end

-- take_back ends an attempt whose lease has ended. cut is '1' if the lease was cut by the attempt's own bound.
function Retries.take_back(m, cut)
  m.leaving = true
  Exit.add(m.queue, m.id)
  Exit.clean_up(m)
  local stop = Retries.stop_asked(m)
  if stop then return Finish.task(m, 'stopped', 'stopped', nil, stop) end
  if cut == '1' then
    return Retries.fail(m, 'timeout', 'attempt timed out on replica ' .. m.replica .. ', which did not report it', '')
  end
  Retries.lose(m)
end
