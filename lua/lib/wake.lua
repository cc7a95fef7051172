-- uses: base keeper offer server settings
-- Signalling replicas. Replicas that serve the same queues and kinds and have the same labels form a class. ready:CLASS has
-- the queues with claimable tasks, and since when. idle:CLASS has the replicas that have free slots and found no such queue,
-- and since when. A replica blocks on its own signal list, signals:REPLICA, only. Of tasks that name a replica or its host,
-- ready:REPLICA has the queues: see line.lua.

-- signal adds a signal to a replica's list, unless the list has it already.
function Wake.signal(replica, what)
  local signals = P .. 'signals:' .. replica
  for _, pending in ipairs(call('LRANGE', signals, 0, -1)) do
    if pending == what then return end
  end
  call('RPUSH', signals, what)
  call('PEXPIRE', signals, 60000)
end

-- classes returns the classes that serve a queue, or its tasks with labels if # follows its name. It removes those that no
-- longer exist: a class exists while it has members.
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
  local s = Settings.of(queue)
  if s.lines then return Offer.queue(queue, Wake) end
  if not s.takeover then
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

-- all calls Wake.queue or Offer.line for the queues and lines in which this call made tasks claimable. If freed.pool, it
-- also calls Wake.queue for up to 64 queues that the pool's own limit holds back, until a replica was signalled for each
-- free slot. It resets claimable and freed.pool.
function Wake.all()
  for queue in pairs(claimable) do
    if string.find(queue, '#', 1, true) then Offer.line(queue, Wake) else Wake.queue(queue) end
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
  local line, woken = scheduled[head], false
  for _, class in ipairs(string.find(line, '#', 1, true) and Server.classes_of(line) or Wake.classes(line)) do
    woken = Wake.signal_idle(class, NOW, 'due') or woken
  end
  return woken
end
