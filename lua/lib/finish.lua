-- The ways out of running, and every way to an end.

-- load reads what a transition needs of a task, without its payload; nil if there is no such task.
local function load(id)
  local h = call('HMGET', task_key(id), 'state', 'attempt', 'kind', 'queue', 'group', 'unique', 'v', 'started_at',
    'replica', 'retain_ms', 'headers', 'stop', 'expires_at', 'deadline_at', 'code')
  if not h[1] then return nil end
  return {
    state = h[1], attempt = h[2], kind = h[3], queue = h[4] or 'default', group = h[5], unique = h[6],
    v = tonumber(h[7] or 1), started_at = h[8], replica = h[9], retain_ms = h[10], headers = h[11], stop = h[12],
    expires_at = h[13], deadline_at = h[14], code = h[15],
  }
end

-- refusal is the verdict on a write by attempt fence that is not the task's running one; nil if it is.
local function refusal(m, fence)
  if not m then return 'gone' end
  if m.attempt ~= fence then return 'lost' end
  if m.state == 'running' then return nil end
  if m.code == 'lost' then return 'lost' end
  return 'already'
end

-- leave ends the lease and the task's places in the running indexes.
local function leave(id, m)
  call('ZREM', P .. 'running:' .. m.queue, id)
  freed[m.queue] = true
  if m.group then
    call('SREM', P .. 'group:run:' .. m.group, id)
    open(m.group)
  end
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

-- retain_ms is how long an ended task stays: 0 removes it with its end.
local function retain_ms(state, m, result)
  if m.retain_ms == 'forever' then return math.huge end
  if m.retain_ms then return tonumber(m.retain_ms) end
  if state ~= 'succeeded' then return 7 * 24 * 3600 * 1000 end
  return result and 3600 * 1000 or 0
end

local doomed = {}
local function forget(id)
  doomed[#doomed + 1] = task_key(id)
  doomed[#doomed + 1] = P .. 'history:' .. id
end

-- flush_doomed removes what forget collected: everything of the tasks, in one call per hundred.
local function flush_doomed()
  for i = 1, #doomed, 200 do call('DEL', unpack(doomed, i, math.min(i + 199, #doomed))) end
end

-- finish ends a task that has left its live index.
local function finish(id, m, state, code, result, error)
  local v = m.v + 1
  if m.unique and call('GET', P .. 'unique:' .. m.unique) == id then call('DEL', P .. 'unique:' .. m.unique) end
  if m.expires_at or m.deadline_at then call('ZREM', P .. 'expiring', id) end

  local more = { 'code', code }
  local function add(name, value)
    if value then
      more[#more + 1] = name
      more[#more + 1] = value
    end
  end
  if m.state == 'running' then
    add('attempt', m.attempt)
    add('replica', m.replica)
    add('run_ms', NOW - m.started_at)
  end
  add('error', error)
  add('meta', m.headers)
  if result and #result <= 1024 then add('result', result) end
  event(id, m, state, v, unpack(more))
  count(state)

  local keep = retain_ms(state, m, result)
  if keep == 0 then return forget(id) end
  local key = task_key(id)
  call('HSET', key, 'state', state, 'code', code, 'v', v, 'ended_at', NOW)
  if result then call('HSET', key, 'result', result) end
  if error then call('HSET', key, 'error', error) end
  local index = P .. 'ended:' .. state
  call('ZADD', index, keep == math.huge and '+inf' or whole(NOW + keep), id)
  if state ~= 'succeeded' then
    local over = call('ZCARD', index) - 10000
    if over > 0 then
      for _, old in ipairs(call('ZRANGE', index, 0, over - 1)) do
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
