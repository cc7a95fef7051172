-- Making tasks: shared by enqueue and the inbox.

local in_line, to_queue = {}, {}

-- space is how many more tasks may wait in the queue. A scheduled task does not wait yet: it takes none and needs none.
local spaces = {}
local function space(queue)
  if not spaces[queue] then
    spaces[queue] = (call('HGET', META, 'cap:' .. queue) or math.huge) - waiting(queue)
  end
  return spaces[queue]
end

-- taken returns id and state of the live task that has the unique key.
local function taken(unique)
  local holder = redis.pcall('GET', unique)
  if type(holder) == 'table' then return end -- somebody else's value, which SET replaces
  local state = holder and redis.pcall('HGET', task_key(holder), 'state')
  if type(state) == 'table' then return end
  if state and not (state == 'succeeded' or state == 'failed' or state == 'stopped' or state == 'expired') then
    return holder, state
  end
end

-- expire puts a task on the list of those that may become too late.
local function expire(id, key, ttl, deadline)
  local expires = math.huge
  if ttl ~= '' then expires = NOW + ttl end
  if deadline ~= '' then
    call('HSET', key, 'deadline_at', whole(NOW + deadline))
    expires = math.min(expires, NOW + deadline)
  end
  if expires == math.huge then return end
  call('HSET', key, 'expires_at', whole(expires))
  call('ZADD', P .. 'expiring', whole(expires), id)
end

local shape = {} -- of the event, made once for all tasks of a call

-- admit makes one task. ARGV[at] and what follows are its id (after a + if it was made for this task), kind, queue,
-- priority, number of further strings; those are none for a plain task, else group, unique, delay, run_at (one of the two
-- at most), ttl, deadline ('' for none, times in ms), and fields and values of its hash.
-- It returns nil, or why not: 'dup', id, state or 'full'.
local function admit(at, payload, sequence)
  local id, kind, queue, further = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 4])
  -- An id that was made for this very task cannot be taken.
  local made = string.byte(id) == 43 -- "+"
  if made then id = string.sub(id, 2) end
  local key = task_key(id)
  local state = not made and redis.pcall('HGET', key, 'state')
  if type(state) == 'table' then state = 'unreadable' end
  if state then return 'dup', id, state end
  local group, unique, delay, run_at, ttl, deadline = '', '', '', '', '', ''
  if further > 0 then group, unique, delay, run_at, ttl, deadline = unpack(ARGV, at + 5, at + 10) end
  if unique ~= '' then
    unique = P .. 'unique:' .. unique
    local holder
    holder, state = taken(unique)
    if holder then return 'dup', holder, state end
  end

  local due = NOW
  if delay ~= '' then due = NOW + delay elseif run_at ~= '' then due = tonumber(run_at) end
  state = due > NOW and 'scheduled' or 'waiting'
  if state == 'waiting' then
    if space(queue) < 1 then return 'full', '', '' end
    spaces[queue] = spaces[queue] - 1
  end
  local score = score_of(ARGV[at + 3], sequence)
  if unique ~= '' then call('SET', unique, id) end
  call('HSET', key, 'kind', kind, 'state', state, 'created_at', NOW_TEXT, 'payload', payload,
    unpack(ARGV, at + 11, at + 4 + further))
  if state == 'scheduled' then
    call('HSET', key, 'due_at', whole(due))
    call('ZADD', P .. 'scheduled', whole(due), id)
    scheduled[id] = queue
  elseif group ~= '' then
    call('HSET', key, 'score', whole(score))
    place(queue, group, score, id)
  else
    local line = in_line[queue] or {}
    in_line[queue] = line
    line[#line + 1] = whole(score)
    line[#line + 1] = id
  end
  if ttl ~= '' or deadline ~= '' then expire(id, key, ttl, deadline) end
  shape.kind, shape.queue = kind, queue
  event(id, shape, state, 1)
  to_queue[queue] = true
  count('enqueued')
  moved('in', queue)
end

-- settle writes what admit collected and wakes who has work now.
local function settle()
  for queue, line in pairs(in_line) do
    for i = 1, #line, 1000 do call('ZADD', P .. 'wait:' .. queue, unpack(line, i, math.min(i + 999, #line))) end
  end
  for queue in pairs(to_queue) do
    call('SADD', P .. 'queues', queue)
    wake(queue)
  end
  sooner()
  flush_totals()
end
