-- renew: extends the leases of a replica's claims, writes updates of its attempts, and is its heartbeat.
--
-- KEYS  prefix, meta
-- ARGV  replica, lease ms, grace ms, stuck, running, 1 if it drains, why it takes no tasks ('' if it does), number of
--       claims, per claim: fence, attempts of it that the replica holds, ms until their bound ('' for none), number of ids,
--       ids (in answer to a recount only), then number of updates, per update: fence (FENCE/ATTEMPT: the update is dropped
--       if another attempt of the claim runs), id, progress, 1 if there is progress, 1 if the soft timeout passed, end of
--       the log, bytes that the attempt has written to its log ('' if the log has not changed), then the outages (JSON; ''
--       for none; missing if they have not changed)
-- Returns {1 if the replica is on the list, 2 if it is and was asked to drain, 0 if it must join again, a letter per claim
--       (k kept, l lost, r recount), stops (lines "FENCE ID", with a negative fence for an attempt that a report from
--       outside has ended), 1 if a trigger waits for its time}.
-- Keeps: a lease never ends later than the bound of its attempts plus the grace. An attempt that runs in the pool and not on
-- the replica (a failover lost its report) is taken back.
-- uses: base attempts claims event exit parents queue record removal request run staged task totals trim wake
run_when_full()
math.randomseed(NOW)
local replica, lease, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local record = P .. 'replica:' .. replica
local known = call('HMGET', record, 'epoch', 'drain', 'stop', 'refuses')
local joined = known[1] and known[1] == call('HGET', META, 'epoch')
if joined then
  call('ZADD', P .. 'replicas', whole(NOW + lease), replica)
  call('HSET', record, 'seen_at', NOW_TEXT, 'stuck', ARGV[4], 'running', ARGV[5])
  if ARGV[6] == '1' and call('HSETNX', record, 'drain', NOW_TEXT) == 1 then Parents.lose_children(replica) end
  if ARGV[7] ~= '' then call('HSET', record, 'refuses', ARGV[7])
  elseif known[4] then call('HDEL', record, 'refuses') end
end

-- keep_named takes back the attempts of a claim that are not among the ids at ARGV[first] to ARGV[last].
local function keep_named(c, ids, texts, first, last)
  local named, kept = {}, 0
  for i = first, last do named[ARGV[i]] = true end
  for i, id in ipairs(ids) do
    if named[id] then
      kept = kept + 1
    else
      local m = Task.load(id, Run.parse(texts[i]))
      if m and m.home and m.run then Staged.take_back(m)
      elseif m and m.state == 'running' then Attempts.take_back(m, '0')
      else Exit.add(c.queue, id) end
    end
  end
  return kept
end

local function close_claim(fence)
  call('HDEL', P .. 'claims', fence)
  call('ZREM', P .. 'leases', fence)
  return 'l'
end

-- extend renews one claim and returns its letter.
local function extend(fence, held, left, first, last)
  local text = call('HGET', P .. 'claims', fence)
  local c = text and Claims.parse(text)
  if not c or c.replica ~= replica then return 'l' end
  local ids, texts = Claims.open_ids(fence, c)
  local n = #ids
  if last >= first then n = keep_named(c, ids, texts, first, last) end
  if n == 0 then return close_claim(fence) end
  local ends, cut = lease, '0'
  if left and left + grace < ends then ends, cut = left + grace, '1' end
  call('ZADD', P .. 'leases', whole(NOW + ends), fence)
  if cut ~= c.cut or lease ~= c.lease then
    call('HSET', P .. 'claims', fence,
      table.concat({ c.n, c.replica, c.queue, whole(c.start), whole(lease), cut, table.concat(c.ids, ' ') }, ' '))
  end
  return n > held and 'r' or 'k'
end

local letters, at = {}, 9
for i = 1, tonumber(ARGV[8]) do
  local last = at + 3 + ARGV[at + 3]
  letters[i] = extend(ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), at + 4, last)
  at = last + 1
end

Exit.write() -- before the updates: attempts that were taken back get none

-- update writes the progress and the log of one attempt. It writes an event when the attempt is slow for the first time. An
-- attempt that its replica has lost has another fence or no run entry. One that it has detached is outside.
local function update(fence, id, progress, slow, log, log_size)
  local claim, attempt = string.match(fence, '^(%d+)/(%d+)$')
  fence = claim or fence
  local text = call('HGET', P .. 'claims', fence)
  local c = text and Claims.parse(text)
  local run = c and Run.parse(call('HGET', P .. 'run:' .. c.queue, id) or nil)
  local current = run and run.fence == fence and run.flag < '3' and (not attempt or run.attempt == attempt)
  local m = current and Task.load(id, run)
  if not m or m.state ~= 'running' then return end
  local extras = {}
  Record.extra(extras, 'progress', progress)
  if log_size ~= '' then
    Record.extra(extras, 'log', log)
    Record.extra(extras, 'log_size', log_size)
    Record.extra(extras, 'log_fence', fence)
  end
  if extras[1] then Task.keep(id, m, unpack(extras)) end
  if not slow or call('HGET', Record.extras_key(id), 'slow') == fence then return end
  Task.keep(id, m, 'slow', fence, 'slow_at', NOW_TEXT)
  run.v = run.v + 1
  call('HSET', P .. 'run:' .. m.queue, id,
    Run.text(fence, run.attempt, whole(run.v), whole(run.start), run.flag, run.kind, run.replica, run.group))
  Event.add(m, id, 'running', run.v, { code = 'slow', attempt = run.attempt, replica = replica, run_ms = NOW - run.start })
end
local last = at + 7 * ARGV[at]
for i = at + 1, last, 7 do
  update(ARGV[i], ARGV[i + 1], ARGV[i + 3] == '1' and ARGV[i + 2], ARGV[i + 4] == '1', ARGV[i + 5], ARGV[i + 6])
end
local outages = joined and ARGV[last + 1]
if outages == '' then call('HDEL', record, 'outages') elseif outages then call('HSET', record, 'outages', outages) end

-- stops returns the stop requests of the replica. It removes those for attempts that have ended.
local function stops()
  local requests = call('SMEMBERS', P .. 'stop:' .. replica)
  for _, request in ipairs(requests) do
    if string.sub(request, 1, 1) == '-' then Request.forget(replica, request) end
  end
  return table.concat(requests, '\n')
end

Queue.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
Wake.for_next_due()
local first = Record.soft('ZRANGE', P .. 'triggers', 0, 0, 'WITHSCORES')
return { joined and (known[2] and 2 or 1) or 0, table.concat(letters), known[3] and stops() or '',
  first and first[1] and (tonumber(first[2]) or math.huge) < math.huge and 1 or 0 }
