-- Making tasks: shared by enqueue and the inbox.

local in_line, to_queue = {}, {}

-- space is how many more tasks may wait in the queue.
local spaces = {}
local function space(queue)
  if not spaces[queue] then
    spaces[queue] = (call('HGET', META, 'cap:' .. queue) or math.huge) - waiting(queue)
  end
  return spaces[queue]
end

-- admit makes one task. t has id (after a + if it was made for this task), kind, queue, priority, group, unique ('' for
-- none), delay and run_at ('' for none, at most one), ttl and deadline (ms, '' for none), payload; ARGV[first..last] are
-- further fields and values of its hash.
-- It returns nil, or why not: 'dup', id, state or 'full'.
local function admit(t, sequence, first, last)
  -- An id that was made for this very task cannot be taken.
  local made = string.byte(t.id) == 43 -- "+"
  if made then t.id = string.sub(t.id, 2) end
  local key = task_key(t.id)
  local state = not made and call('HGET', key, 'state')
  if state then return 'dup', t.id, state end
  local unique = t.unique ~= '' and P .. 'unique:' .. t.unique
  if unique then
    local holder = call('GET', unique)
    local held = holder and call('HGET', task_key(holder), 'state')
    if held and not (held == 'succeeded' or held == 'failed' or held == 'stopped' or held == 'expired') then
      return 'dup', holder, held
    end
  end
  if space(t.queue) < 1 then return 'full', '', '' end
  spaces[t.queue] = spaces[t.queue] - 1

  local due = NOW
  if t.delay ~= '' then due = NOW + t.delay elseif t.run_at ~= '' then due = tonumber(t.run_at) end
  state = due > NOW and 'scheduled' or 'waiting'
  local score = score_of(t.priority, sequence)
  if unique then call('SET', unique, t.id) end
  call('HSET', key, 'kind', t.kind, 'state', state, 'created_at', NOW_TEXT, 'payload', t.payload, unpack(ARGV, first, last))
  if state == 'scheduled' then
    call('HSET', key, 'due_at', due)
    call('ZADD', P .. 'scheduled', whole(due), t.id)
    scheduled[t.id] = t.queue
  elseif t.group ~= '' then
    call('HSET', key, 'score', whole(score))
    place(t.queue, t.group, score, t.id)
  else
    local line = in_line[t.queue] or {}
    in_line[t.queue] = line
    line[#line + 1] = whole(score)
    line[#line + 1] = t.id
  end
  local expires = math.huge
  if t.ttl ~= '' then expires = NOW + t.ttl end
  if t.deadline ~= '' then
    call('HSET', key, 'deadline_at', NOW + t.deadline)
    expires = math.min(expires, NOW + t.deadline)
  end
  if expires < math.huge then
    call('HSET', key, 'expires_at', expires, 'more', 1)
    call('ZADD', P .. 'expiring', whole(expires), t.id)
  end
  event(t.id, t, state, 1)
  to_queue[t.queue] = true
  count('enqueued')
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
