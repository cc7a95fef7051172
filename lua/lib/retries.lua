-- uses: base broadcast event finish line policy queue record server task wake
-- What happens to a task after a failed, lost or released attempt.

local LONGEST = 31536000000 -- ms: 365 days; enqueue refuses a longer backoff

-- backoff_ms returns the wait before retry n. An exponential one has full jitter: from 0 to base * 2^(n - 1), at most the
-- maximum.
function Retries.backoff_ms(backoff, n)
  local fixed = string.match(backoff or '', '^fixed:(%d+)$')
  if fixed then return math.min(tonumber(fixed), LONGEST) end
  local base, most = string.match(backoff or '', '^exponential:(%d+):(%d+)$')
  base, most = tonumber(base or 1000), math.min(tonumber(most or 600000), LONGEST)
  local top = most
  if n <= 50 then top = math.min(most, base * 2 ^ (n - 1)) end
  return math.floor(math.random() * (top + 1))
end

-- put_back puts a task that no longer runs back into its queue at its old position, or on the schedule if delay is over 0.
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
    scheduled[m.id] = m.line
  else
    Queue.insert(m.line, m.group, m.score, m.id)
    claimable[m.line] = true
  end
  Event.add(m, m.id, state, v, { code = code, attempt = m.attempt, replica = m.replica, run_ms = NOW - m.start,
    error = error })
end

-- most returns the failures after which a task has failed.
function Retries.most(m)
  return tonumber(m.max_attempts or Policy.of(m.kind).max_attempts or nil) or 5
end

-- replicas_of returns how many replicas serve the line of a task.
local function replicas_of(m)
  local queue, labels = Line.split(m.line)
  local n, classes = 0, {}
  if labels then
    for _, s in ipairs(Server.of(queue, labels)) do
      if s.replica then n = n + 1 else classes[#classes + 1] = s.class end
    end
  else
    classes = Wake.classes(queue)
  end
  for _, class in ipairs(classes) do
    local key = P .. 'class:' .. class
    n = n + call('HLEN', key) - call('HEXISTS', key, 'kinds') - call('HEXISTS', key, 'complete')
  end
  return n
end

-- avoid notes the replica of a failed attempt, if another one serves its line. Candidate.start then puts the task on the
-- schedule for a moment instead of giving it to this replica, at most DEFERRALS times.
local DEFERRALS = 5
local function avoid(m)
  if replicas_of(m) > 1 then call('HSET', Record.extras_key(m.id), 'avoid', m.replica .. ' ' .. DEFERRALS) end
end

-- fail ends a failed attempt of a task that no longer runs. The task ends as failed, or is tried again after delay (nil: the
-- backoff).
local FINAL = { permanent = true, bad_payload = true, no_handler = true, deadline = true }
function Retries.fail(m, code, error, delay)
  if not m.recorded then Finish.add_history(m, code, error) end
  local deadline = tonumber(m.deadline_at or nil)
  if deadline and NOW >= deadline then code = 'deadline' end
  local failures = Task.counted_up(m.id, m, 'failures')
  m.failures = whole(failures)
  if FINAL[code] then return Finish.task(m, 'failed', code, nil, error) end
  if failures >= Retries.most(m) then return Finish.task(m, 'failed', code, nil, error) end
  local missing = m.member and Broadcast.missing(m.member)
  if missing then return Finish.task(m, 'failed', 'lost', nil, missing) end
  local p = Policy.of(m.kind)
  delay = delay or Retries.backoff_ms(m.backoff or p.backoff, failures)
  if deadline and NOW + delay >= deadline then return Finish.task(m, 'failed', 'deadline', nil, error) end
  Task.drop_checkpoint(m)
  if p.avoid and not m.member then avoid(m) end
  Retries.put_back(m, delay, code, error or '')
end
