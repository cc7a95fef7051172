-- Retries: what a failed attempt leads to.

-- backoff_ms is the wait before retry n, with full jitter: up to the base doubled n - 1 times, never over the maximum.
local function backoff_ms(backoff, n)
  local fixed = string.match(backoff or '', '^fixed:(%d+)$')
  if fixed then return tonumber(fixed) end
  local base, most = string.match(backoff or '', '^exponential:(%d+):(%d+)$')
  base, most = tonumber(base or 1000), tonumber(most or 600000)
  local top = most
  if n <= 50 then top = math.min(most, base * 2 ^ (n - 1)) end
  return math.floor(math.random() * (top + 1))
end

-- rest puts a task that has left running back: into its old place in line, or on the schedule if it has to wait first.
local function rest(id, m, delay, code, error, ...)
  local state = delay > 0 and 'scheduled' or 'waiting'
  local v = m.v + 1
  call('HSET', task_key(id), 'state', state, 'v', v, 'code', code, 'due_at', NOW + delay, 'more', more_of(m), ...)
  if delay > 0 then
    call('ZADD', P .. 'scheduled', whole(NOW + delay), id)
    scheduled[id] = m.queue
  else
    place(m.queue, m.group, place_of(id, m) or 0, id)
  end
  event(id, m, state, v, 'code', code, 'attempt', m.attempt, 'replica', m.replica or '', 'run_ms', NOW - m.started_at,
    'error', error or '')
end

-- fail ends a failed attempt of a task that has left running: for good, or with another try after delay (nil: the
-- policy's backoff).
local FINAL = { permanent = true, bad_payload = true, no_handler = true, deadline = true }
local function fail(id, m, code, error, log, delay)
  remember(id, m, code, error, log)
  if m.deadline_at and NOW >= tonumber(m.deadline_at) then code = 'deadline' end
  local h = call('HMGET', task_key(id), 'failures', 'max_attempts', 'backoff')
  local failures = (tonumber(h[1]) or 0) + 1
  call('HSET', task_key(id), 'failures', failures)
  if FINAL[code] then return finish(id, m, 'failed', code, nil, error) end
  local p = policy(m.kind)
  if failures >= (tonumber(h[2]) or tonumber(p.max_attempts) or 5) then return finish(id, m, 'failed', code, nil, error) end
  delay = delay or backoff_ms(h[3] or p.backoff, failures)
  if m.deadline_at and NOW + delay >= tonumber(m.deadline_at) then
    return finish(id, m, 'failed', 'deadline', nil, error)
  end
  rest(id, m, delay, code, error, 'error', error or '')
end
