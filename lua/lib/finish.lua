-- The ways out of running, and every way to an end.

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
  if m.unique and redis.pcall('GET', P .. 'unique:' .. m.unique) == id then call('DEL', P .. 'unique:' .. m.unique) end
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
    add('result_bytes', result and #result > 1024 and #result)
    event(id, m, state, v, unpack(more))
  end
  count(state)
  moved('out', m.queue)

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
