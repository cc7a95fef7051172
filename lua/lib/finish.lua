-- The ways out of running, and every way to an end.

-- The field run of a task tells of its last claim: fence, attempt, version, start, place in line, the value of more or 0,
-- replica. They are one field because a claim writes and a report reads them all, and a field costs more than its text;
-- over 64 bytes it would cost the hash its compact encoding.
local function run_text(fence, attempt, v, started_at, score, more, replica)
  return fence .. ' ' .. attempt .. ' ' .. v .. ' ' .. started_at .. ' ' .. score .. ' ' .. more .. ' ' .. replica
end

local function run_of(text)
  local fence, attempt, v, started_at, score, more, replica =
    string.match(text or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d) (.+)$')
  return { fence = fence, attempt = attempt, v = tonumber(v) or 1, started_at = tonumber(started_at) or NOW,
    score = score, more = more, replica = replica or '', state = '', kind = '', queue = '' }
end

-- load reads what a transition needs of a task, without its payload; nil if there is no such task. Fields that somebody
-- else spoiled count as missing: one task must not stop the others of its call. What few tasks have is read only where
-- the field more says so: a look-up of a missing field costs as much as one of a present.
local function load(id)
  local key = task_key(id)
  local h = redis.pcall('HMGET', key, 'state', 'run', 'kind', 'queue')
  if h.err or not h[1] then return nil end
  local m = run_of(h[2])
  m.state, m.kind, m.queue = h[1], h[3] or '', h[4] or 'default'
  if m.state ~= 'running' then
    h = call('HMGET', key, 'v', 'more')
    m.v, m.more = tonumber(h[1]) or 1, h[2]
  end
  if m.more == '2' then
    h = call('HMGET', key, 'group', 'unique', 'retain_ms', 'headers', 'expires_at', 'deadline_at')
    m.group, m.unique, m.retain_ms, m.headers = h[1], h[2], h[3], h[4]
    m.expires_at, m.deadline_at = tonumber(h[5]), tonumber(h[6])
  end
  return m
end

-- more_of is the field more of a task that has left its first line: it is not plain any longer.
local function more_of(m) return m.more == '2' and '2' or '1' end

-- place_of is where a task stands in line, or stood when it was claimed last; nil if it never did.
local function place_of(id, m) return tonumber(call('HGET', task_key(id), 'score') or m.score) end

-- refusal is the verdict on a write under a fence that is not the running attempt's; nil if it is.
local function refusal(id, m, fence)
  if not m then return 'gone' end
  if m.fence ~= fence then return 'lost' end
  if m.state == 'running' then return nil end
  return call('HGET', task_key(id), 'code') == 'lost' and 'lost' or 'already'
end

-- stop_asked is the reason somebody gave for stopping a running task, false for none.
local function stop_asked(id) return call('HGET', task_key(id), 'stop') end

-- end_leases takes tasks of one queue out of its running index.
local function end_leases(queue, ids)
  for i = 1, #ids, 1000 do call('ZREM', P .. 'running:' .. queue, unpack(ids, i, math.min(i + 999, #ids))) end
  freed[queue] = true
end

local function leave_group(id, m)
  if m.group then
    call('SREM', P .. 'group:run:' .. m.group, id)
    open(m.group)
  end
end

-- leave takes one task out of running.
local function leave(id, m)
  end_leases(m.queue, { id })
  leave_group(id, m)
end

-- remember adds a failed attempt to the task's bounded history.
local function remember(id, m, code, error, log)
  local key = P .. 'history:' .. id
  call('RPUSH', key, cjson.encode({
    attempt = tonumber(m.attempt), code = code, at = NOW, run_ms = NOW - m.started_at, replica = m.replica,
    error = error or '', log = log or '',
  }))
  call('LTRIM', key, -10, -1)
end

-- FINITE bounds the scores of tasks that are not kept for ever.
local FINITE = '9007199254740991'

-- retain_ms is how long an ended task stays: 0 removes it with its end.
local function retain_ms(state, m, result)
  if m.retain_ms == 'forever' then return math.huge end
  if tonumber(m.retain_ms) then return tonumber(m.retain_ms) end
  if state ~= 'succeeded' then return 7 * 24 * 3600 * 1000 end
  return result and 3600 * 1000 or 0
end

local doomed = {}
local function forget(id, without_history)
  doomed[#doomed + 1] = task_key(id)
  if not without_history then doomed[#doomed + 1] = P .. 'history:' .. id end
end

-- flush writes what forget and count collected.
local function flush()
  flush_totals()
  for i = 1, #doomed, 200 do call('DEL', unpack(doomed, i, math.min(i + 199, #doomed))) end
end

-- finish ends a task that has left its live index.
local function finish(id, m, state, code, result, error)
  local v = m.v + 1
  if m.unique and call('GET', P .. 'unique:' .. m.unique) == id then call('DEL', P .. 'unique:' .. m.unique) end
  if m.expires_at or m.deadline_at then call('ZREM', P .. 'expiring', id) end

  local ran = m.state == 'running'
  if ran and not (error or result or m.headers) then
    event(id, m, state, v, 'code', code, 'attempt', m.attempt, 'replica', m.replica,
      'run_ms', whole(NOW - m.started_at))
  else
    local more = { 'code', code }
    local function add(name, value)
      if value then
        more[#more + 1] = name
        more[#more + 1] = value
      end
    end
    add('attempt', ran and m.attempt)
    add('replica', ran and m.replica)
    add('run_ms', ran and NOW - m.started_at)
    add('error', error)
    add('meta', m.headers)
    add('result', result and #result <= 1024 and result)
    event(id, m, state, v, unpack(more))
  end
  count(state)

  local keep = retain_ms(state, m, result)
  if keep == 0 then return forget(id, state == 'succeeded' and m.attempt == '1') end
  local key = task_key(id)
  call('HSET', key, 'state', state, 'code', code, 'v', v, 'ended_at', NOW)
  if result then call('HSET', key, 'result', result) end
  if state == 'succeeded' and m.attempt ~= '1' then call('HDEL', key, 'error') end
  if error then call('HSET', key, 'error', error) end
  local index = P .. 'ended:' .. state
  call('ZADD', index, keep == math.huge and '+inf' or whole(NOW + keep), id)
  if state ~= 'succeeded' then
    local over = call('ZCOUNT', index, '-inf', FINITE) - 10000
    if over > 0 then
      for _, old in ipairs(call('ZRANGEBYSCORE', index, '-inf', FINITE, 'LIMIT', 0, over)) do
        call('ZREM', index, old)
        forget(old)
      end
    end
  end
end

-- too_late ends a task that has left its line after its time had passed.
local function too_late(id, m)
  if m.attempt then return finish(id, m, 'failed', 'deadline') end
  finish(id, m, 'expired', 'expired')
end

-- bound_of is when an attempt must have ended: its start plus its timeout, at most the deadline; infinite for none.
local function bound_of(kind, started_at, timeout_ms, deadline_at)
  local timeout = timeout_ms or policy(kind).timeout_ms
  timeout = timeout == 'none' and math.huge or tonumber(timeout) or 1800000
  return math.min(started_at + timeout, tonumber(deadline_at) or math.huge)
end
