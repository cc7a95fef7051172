-- uses: base keeper settings
-- Signalling replicas. Replicas that serve the same queues and kinds form a class. ready:CLASS has the queues with claimable
-- tasks, and since when. idle:CLASS has the replicas that have free slots and found no such queue, and since when. A replica
-- blocks on its own signal list, signals:REPLICA, only.

-- signal adds a signal to a replica's list, unless the list has it already.
function Wake.signal(replica, what)
  local signals = P .. 'signals:' .. replica
  for _, pending in ipairs(call('LRANGE', signals, 0, -1)) do
    if pending == what then return end
  end
  call('RPUSH', signals, what)
  call('PEXPIRE', signals, 60000)
end

-- classes returns the classes that serve a queue, and removes those that no longer exist: a class exists while it has
-- members.
local served = {}
function Wake.classes(queue)
  local live = served[queue]
  if not live then
    live = {}
    for _, class in ipairs(call('SMEMBERS', P .. 'served:' .. queue)) do
      if call('EXISTS', P .. 'class:' .. class) == 1 then live[#live + 1] = class
      else call('SREM', P .. 'served:' .. queue, class) end
    end
    served[queue] = live
  end
  return live
end

-- signal_idle signals the replica of a class that has been idle for longest, if it became idle before the queue became ready
-- (since). A replica that became idle later knows of the queue and has no slot for it. It returns the replica, false for
-- none.
function Wake.signal_idle(class, since, what)
  local idle = P .. 'idle:' .. class
  local first = call('ZRANGE', idle, 0, 0)[1]
  if not first then return false end
  if since < NOW and tonumber(call('ZSCORE', idle, first)) > since then return false end
  call('ZREM', idle, first)
  Wake.signal(first, what)
  return first
end

-- signal_for signals one more replica of the class for a queue that is ready. It returns whether it signalled one.
function Wake.signal_for(queue, class)
  if call('ZCARD', P .. 'idle:' .. class) == 0 then return false end
  local since = call('ZSCORE', P .. 'ready:' .. class, queue)
  return since and Wake.signal_idle(class, tonumber(since), 'q:' .. queue)
end

-- queue marks a queue as ready and signals an idle replica of each class that serves it, if a task in it can be claimed. It
-- returns whether it signalled one. It notes a queue that only the pool's limit or its rate holds back.
function Wake.queue(queue)
  if not Settings.of(queue).takeover then
    if call('ZCARD', P .. 'wait:' .. queue) == 0 then return false end
    local free, by = Settings.room(queue)
    if by then Keeper.note(queue, by) end
    if free <= 0 then return false end
  end
  local woken = false
  for _, class in ipairs(Wake.classes(queue)) do
    local is_new = call('ZADD', P .. 'ready:' .. class, 'NX', NOW_TEXT, queue) == 1
    if is_new then woken = Wake.signal_idle(class, NOW, 'q:' .. queue) or woken
    else woken = Wake.signal_for(queue, class) or woken end
  end
  return woken
end

-- exhausted removes a queue in which a claim found no more claimable tasks from the ready queues. A step that makes a task
-- claimable marks the queue as ready again. If the pool's own limit has room, Wake.all signals replicas for the queues that
-- it held back.
function Wake.exhausted(queue)
  for _, class in ipairs(Wake.classes(queue)) do call('ZREM', P .. 'ready:' .. class, queue) end
  local s = Settings.of(queue)
  if not (s.pool_limit or s.rate) then return end
  local _, by = Settings.room(queue)
  if s.pool_limit and by ~= true then freed.pool = true end
  if by and call('ZCARD', P .. 'wait:' .. queue) > 0 then Keeper.note(queue, by) end
end

-- ready returns ready queues of a class, at most 64, without those that the replica claims from in this call or reports as
-- busy. If there are none, the replica becomes idle. If there are many, they begin at a random one, so that each of them is
-- returned soon.
function Wake.ready(class, replica, busy, claimed)
  local key, names, window = P .. 'ready:' .. class, {}, 64
  for _ in pairs(busy) do window = window + 1 end
  for _ in pairs(claimed) do window = window + 1 end
  local all, from = call('ZCARD', key), 0
  if all > window then from = math.random(0, all - 1) end
  local function collect(first, last)
    for _, queue in ipairs(call('ZRANGE', key, first, last)) do
      if not busy[queue] and not claimed[queue] and #names < 64 then names[#names + 1] = queue end
    end
  end
  if all > 0 then collect(from, from + window - 1) end
  if from > 0 and from + window > all then collect(0, from + window - all - 1) end
  if #names == 0 then call('ZADD', P .. 'idle:' .. class, NOW_TEXT, replica) end
  return table.concat(names, ' ')
end

-- all calls Wake.queue for the queues in which this call made tasks claimable. If freed.pool, it also does so for up to 64
-- queues that the pool's own limit holds back, until a replica was signalled for each free slot. It resets claimable and
-- freed.pool.
function Wake.all()
  for queue in pairs(claimable) do
    Wake.queue(queue)
    claimable[queue] = nil
  end
  if freed.pool and call('EXISTS', P .. 'held') == 1 then
    local free = (tonumber(call('HGET', META, 'limit') or nil) or math.huge) - call('SCARD', P .. 'counted')
    for _ = 1, 64 do
      local queue = free > 0 and call('SPOP', P .. 'held')
      if not queue then break end
      if Wake.queue(queue) then free = free - 1 end
    end
  end
  freed.pool = false
  if freed.timer then Keeper.assign(Wake) end
end

-- caller is the replica that makes the call, if it can claim tasks.
Wake.caller = false

-- for_next_due signals an idle replica if a task that this call scheduled is due before all others. It returns whether it
-- signalled one.
function Wake.for_next_due()
  local head = next(scheduled) and call('ZRANGE', P .. 'scheduled', 0, 0)[1]
  if not (head and scheduled[head]) then return false end
  local woken = false
  for _, class in ipairs(Wake.classes(scheduled[head])) do woken = Wake.signal_idle(class, NOW, 'due') or woken end
  return woken
end
