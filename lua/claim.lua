-- claim: hands the best waiting tasks of a queue to a replica, each under a new fence and a lease.
--
-- KEYS  prefix, meta
-- ARGV  replica, queue, n, lease ms, grace ms, call
-- Returns {now, ms until the next scheduled task or 0, then per task: id, attempt, fence, ms left for the attempt or 0 for
-- no bound, then of a plain task kind, payload, created_at, and of any other {fields and values of its hash as before the
-- claim}}; or the error UNJOINED.
-- Keeps: running never exceeds the limits of pool, queue and group; every start has the best place then in line; the
-- same call number gets the same tasks again, as far as the replica still holds them, and a lower one none. A replica that
-- is not on the list, or joined before the settings were lost, gets none: the limits it configures may be unknown.
-- uses: base full wake line policy task finish promote trim candidate
local replica, queue, n = ARGV[1], ARGV[2], tonumber(ARGV[3])
local lease, grace, number = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local record, lines, running = P .. 'replica:' .. replica, P .. 'wait:' .. queue, P .. 'running:' .. queue

local joined = call('HMGET', record, 'about', 'claim:' .. queue, 'epoch')
local books = call('HMGET', META, 'epoch', 'fence')
if not joined[1] or not books[1] or books[1] ~= joined[3] then
  return redis.error_reply('UNJOINED replica ' .. replica .. ' is not on the list')
end
local reply = { NOW, (promote(100)) }
local function answer(id, attempt, fence, bound, what)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4], reply[n + 5] = id, attempt, fence, ms_left(bound), what
end

-- A lower number than the last comes from a call that its successor overtook: nobody waits for its answer any more.
local last = joined[2]
local seen = last and string.match(last, '^(%d+) ')
if seen and tonumber(seen) >= tonumber(number) then
  for id in string.gmatch(seen == number and string.sub(last, #number + 2) or '', '%S+') do
    local flat = call('HGETALL', task_key(id))
    local h = fields(flat)
    local run = run_of(h.run)
    if h.state == 'running' and run.replica == replica then
      local bound = bound_of(h.kind, run.started_at, h.timeout_ms, h.deadline_at)
      answer(id, tonumber(h.attempt) or 0, tonumber(run.fence) or 0, bound, flat)
    end
  end
  -- The reports before this call left no marker here, and this call takes nothing new.
  freed[queue] = true
  flush()
  wake_freed()
  return reply
end

local free = n > 0 and room(queue) or 0
local want = math.min(n, free, 250) -- what is left gets a marker
local leases, ids, gone, bytes = {}, {}, {}, 0

-- A fence is at least the time in hundredths of a ms: a failover that forgot the last claims cannot give their fences again.
local fence = math.max((tonumber(books[2] or 0) or 0) + 1, NOW * 100)

local function start(t, attempt, v, waited, bound)
  local nth, more = whole(attempt), t.h and more_of(t.h) or '0'
  call('HSET', t.key, 'state', 'running', 'attempt', nth, 'run',
    run_text(whole(fence), nth, whole(v), NOW_TEXT, t.score, more, replica))
  event(t.id, t, 'running', v, 'attempt', nth, 'replica', replica, 'wait_ms', whole(waited))
  bytes = bytes + #t.payload
  leases[#leases + 1] = whole(math.min(NOW + lease, bound + grace))
  leases[#leases + 1] = t.id
  ids[#ids + 1] = t.id
  if t.h and t.h.group then call('SADD', P .. 'group:run:' .. t.h.group, t.id) end
  answer(t.id, attempt, fence, bound, t.flat or t.kind)
  fence = fence + 1
  if not t.flat then
    reply[#reply + 1] = t.payload
    reply[#reply + 1] = t.created_at
  end
end

-- open_next brings the next of a group whose head has been taken from the line: it takes its place among the candidates
-- after the i-th, or in the line where its place is behind those it has been read up to.
local function open_next(group, line, i, last_seen)
  if group_full(group) then return call('HDEL', P .. 'group:head:' .. queue, group) end
  local id, score = next_head(queue, group)
  if id and score > last_seen then
    call('ZADD', lines, whole(score), id)
  elseif id then
    local at = i + 1
    while line[at] and tonumber(line[at].score) < score do at = at + 1 end
    table.insert(line, at, candidate(queue, id, whole(score)))
  end
end

-- consider starts the i-th candidate, or clears away what cannot start.
local function consider(line, i, last_seen)
  local t = line[i]
  local h = t.h
  local group = h.group
  local head = group and call('HGET', P .. 'group:head:' .. queue, group) == whole(t.score)
  local sound, attempt, v, waited, bound, late = pcall(measure, h)
  if h.state ~= 'waiting' or not (sound and h.kind and h.payload) then
    count('orphans')
    gone[whole(t.score)] = true
  elseif late then
    too_late(t.id, load(t.id))
  elseif group and group_full(group) then
    park(queue, group, t.score, t.id)
    call('HSET', t.key, 'score', whole(t.score))
    if head then call('HDEL', P .. 'group:head:' .. queue, group) end
    return
  else
    start(t, attempt, v, waited, bound)
  end
  if head then open_next(group, line, i, last_seen) end
end

-- Entries that cannot start (their body is gone, they expired, their group filled up) are cleared away, at most so many
-- per call, so that no call takes long. Nor does a call hand out more than 8 MiB of payload and one task.
local budget = 2 * want + 100
local function enough() return #ids >= want or budget <= 0 or bytes > 8388608 end
while not enough() do
  local most = want - #ids
  local top = call('ZRANGE', lines, 0, most - 1, 'WITHSCORES')
  if #top == 0 then break end
  local line = {}
  for i = 1, #top, 2 do
    line[#line + 1] = candidate(queue, top[i], top[i + 1])
    top[#line] = top[i]
  end
  call('ZREM', lines, unpack(top, 1, #line))
  local last_seen = #line == most and tonumber(line[most].score) or math.huge
  local i = 1
  while i <= #line and not enough() do
    local t = line[i]
    if not t.h then
      start(t, 1, 2, NOW - t.created_at, bound_of(t.kind, NOW))
    else
      consider(line, i, last_seen)
    end
    i = i + 1
    budget = budget - 1
  end
  for rest = i, #line do call('ZADD', lines, whole(line[rest].score), line[rest].id) end
end

if #ids > 0 then
  call('HSET', META, 'fence', whole(fence - 1))
  for i = 1, #leases, 1000 do call('ZADD', running, unpack(leases, i, math.min(i + 999, #leases))) end
  call('HSET', record, 'claim:' .. queue, number .. ' ' .. table.concat(ids, ' '))
end
mend_heads(queue, gone)
if free > #ids and enough() then freed[queue] = true end
trim_count()
flush()
pool_running = nil
wake_freed()
return reply
