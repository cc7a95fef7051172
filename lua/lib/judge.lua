-- Judging a task by its body.

local LIVE = { waiting = true, scheduled = true, running = true }
local ENDED = { succeeded = true, failed = true, stopped = true, expired = true }

local FIELDS = { 'state', 'kind', 'queue', 'more', 'group', 'unique', 'run', 'created_at', 'attempt', 'v',
  'due_at', 'ended_at', 'expires_at', 'deadline_at', 'score', 'priority' }
local NUMBERS = { 'created_at', 'attempt', 'fence', 'v', 'due_at', 'started_at', 'ended_at', 'expires_at', 'deadline_at',
  'score', 'priority' }

-- body reads what a judgement needs; nil if there is no task, an error's text where its key is no hash.
local function body(id)
  local values = redis.pcall('HMGET', task_key(id), unpack(FIELDS))
  if values.err then return nil, 'is no hash' end
  local h, any = {}, false
  for i, field in ipairs(FIELDS) do
    h[field] = values[i] or nil
    any = any or values[i]
  end
  if not any and call('EXISTS', task_key(id)) == 0 then return nil end
  h.queue = h.queue or 'default'
  local run = run_of(h.run)
  h.fence, h.started_at, h.replica = run.fence, run.fence and run.started_at, run.replica
  if not h.more then h.group, h.unique = nil, nil end
  return h
end

local function is_name(s) return s and #s <= 128 and string.match(s, '^[%w_][%w%._:/@+=%-]*$') end

-- unusable says what no script could work with, nil for a sound body.
local function unusable(id, h)
  if not (LIVE[h.state] or ENDED[h.state]) then return 'has the state "' .. (h.state or '') .. '"' end
  if not is_name(h.kind) then return 'has no usable kind' end
  if not is_name(h.queue) then return 'has no usable queue' end
  if h.group and not is_name(h.group) then return 'has no usable group' end
  if h.unique and not is_name(h.unique) then return 'has no usable unique key' end
  if call('HEXISTS', task_key(id), 'payload') == 0 then return 'has no payload' end
  if not h.created_at then return 'has no created_at' end
  if h.state == 'running' and not (h.attempt and h.fence) then return 'runs without attempt or fence' end
  for _, field in ipairs(NUMBERS) do
    local n = h[field] and tonumber(h[field]) or 0
    if h[field] and not tonumber(h[field]) or n ~= n or n >= 9007199254740992 or n <= -9007199254740992 then
      return 'has no number in ' .. field
    end
  end
end

-- The four ways of standing where the state says; each returns where the entry is missing and how to put it back.
local stands = {}

function stands.waiting(id, h)
  local line = call('ZSCORE', P .. 'wait:' .. h.queue, id)
  local behind = h.group and h.score and parked(h.group, h.score, id)
  if line or behind and call('ZSCORE', P .. 'group:wait:' .. h.queue, behind) then return nil end
  return 'wait:' .. h.queue, 'put back into line', function()
    local score = place_of(id, run_of(h.run)) or score_of(tonumber(h.priority) or 0, call('HINCRBY', META, 'seq', 1))
    local heads = P .. 'group:head:' .. h.queue
    if h.group and call('HGET', heads, h.group) == whole(score) then call('HDEL', heads, h.group) end
    call('HSET', task_key(id), 'score', whole(score))
    place(h.queue, h.group, score, id)
    freed[h.queue] = true
  end
end

function stands.running(id, h)
  if call('ZSCORE', P .. 'running:' .. h.queue, id) then return nil end
  return 'running:' .. h.queue, 'given a lease: its replica goes on with it, or it is lost when that ends', function()
    local beats = tonumber(call('ZSCORE', P .. 'replicas', h.replica or '') or NOW)
    call('ZADD', P .. 'running:' .. h.queue, whole(math.max(beats, NOW)), id)
  end
end

function stands.scheduled(id, h)
  if call('ZSCORE', P .. 'scheduled', id) then return nil end
  return 'scheduled', 'put back on the schedule', function()
    call('ZADD', P .. 'scheduled', whole(h.due_at or NOW), id)
    scheduled[id] = h.queue
  end
end

local function stands_ended(id, h)
  local index = 'ended:' .. h.state
  if call('ZSCORE', P .. index, id) then return nil end
  return index, 'put back among the ended tasks', function()
    local keep = retain_ms(h.state, load(id), call('HEXISTS', task_key(id), 'result') == 1)
    call('ZADD', P .. index, keep == math.huge and '+inf' or whole((h.ended_at or NOW) + keep), id)
  end
end

local function holds_unique(holder, unique)
  local h = redis.pcall('HMGET', task_key(holder), 'state', 'unique')
  return not h.err and LIVE[h[1]] and h[2] == unique
end

-- judge_queue comes first: what puts a task back into its line lists the queue.
local function judge_queue(id, h)
  if call('SISMEMBER', P .. 'queues', h.queue) == 0 then
    tell('queue_unlisted', 'queues', id, h.queue, 'listed', function() call('SADD', P .. 'queues', h.queue) end)
  end
end

-- judge_live looks at what only live tasks have.
local function judge_live(id, h)
  if h.state == 'running' and h.group and call('SISMEMBER', P .. 'group:run:' .. h.group, id) == 0 then
    tell('not_in_group', 'group:run:' .. h.group, id, '', 'counted',
      function() call('SADD', P .. 'group:run:' .. h.group, id) end)
  end
  local at = tonumber(h.attempt and h.deadline_at or not h.attempt and h.expires_at or nil)
  if at and at > NOW and not call('ZSCORE', P .. 'expiring', id) then
    tell('unwatched', 'expiring', id, '', 'watched', function() call('ZADD', P .. 'expiring', whole(at), id) end)
  end
  local key = h.unique and P .. 'unique:' .. h.unique
  local holder = key and call('GET', key)
  if key and holder ~= id then
    if holder and holds_unique(holder, h.unique) then
      tell('unique_shared', 'unique:' .. h.unique, id, holder, '')
    else
      tell('unique_unheld', 'unique:' .. h.unique, id, '', 'given to the task', function() call('SET', key, id) end)
    end
  end
end

local function judge(id)
  local h, why = body(id)
  if not h and not why then return end
  why = why or unusable(id, h)
  if why then return tell('bad_body', 'task:' .. id, id, why, '', function() return quarantine('task:' .. id) end) end
  given_out(h.score or 0)
  if LIVE[h.state] then judge_queue(id, h) end
  local missing, done, act = (stands[h.state] or stands_ended)(id, h)
  if missing then tell('no_entry', missing, id, h.state, done, act) end
  if LIVE[h.state] then judge_live(id, h) end
end
