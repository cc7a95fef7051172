-- uses: base keeper line record server settings
-- Lines with labels whose tasks can be claimed, and the signals for them: see line.lua.

-- In this part, wake is the part Wake, which uses this one.

-- mark marks a queue as ready for a server, and signals an idle replica of it. It returns whether it signalled one.
local function mark(server, queue, wake)
  local key, since = P .. 'ready:' .. server.name, NOW
  if call('ZADD', key, 'NX', NOW_TEXT, queue) == 0 then since = tonumber(call('ZSCORE', key, queue)) end
  if not server.replica then return wake.signal_idle(server.class, since, 'q:' .. queue) end
  local idle = P .. 'idle:' .. server.class
  local at = tonumber(call('ZSCORE', idle, server.replica) or nil)
  if not at or since < NOW and at > since then return false end
  call('ZREM', idle, server.replica)
  wake.signal(server.replica, 'q:' .. queue)
  return true
end

-- lose lets the children of broadcasts for a replica that is not on the list end as lost: one of them waits in a line.
local function lose(labels, wake)
  local replica = string.match(labels, '^id=([^,]+)')
  if not replica or call('EXISTS', P .. 'broadcast:' .. replica) == 0 then return end
  Record.soft('ZADD', P .. 'spreading', NOW_TEXT, 'replica ' .. replica)
  for _, other in ipairs(call('ZRANGE', P .. 'replicas', 0, 0, 'REV')) do wake.signal(other, 'shards') end
end

-- list lists a line that has changed: as open or not, or not at all if it has no tasks. It returns the servers of an open
-- line, nil for another one, and whether running tasks wait in it for a take-over. wake may be nil if the line has servers.
function Offer.list(line, wake)
  local queue, labels = Line.split(line)
  local open, taken_over = Line.is_open(line)
  local servers = Server.of(queue, labels)
  if wake and not servers[1] then lose(labels, wake) end
  if not open then return Server.close(line, queue, labels, servers) end
  Server.open(line, queue, servers)
  return servers, taken_over
end

-- room returns how many tasks of a queue may start now. It notes a queue that only the pool's limit or its rate holds back.
local function room(queue)
  local free, by = Settings.room(queue)
  if by then Keeper.note(queue, by) end
  return free
end

-- line lists a line that has changed, and signals an idle replica of each of its servers if its tasks can be claimed. It
-- returns whether it signalled one.
function Offer.line(line, wake)
  local servers, taken_over = Offer.list(line, wake)
  local queue, woken = Line.split(line), false
  if not (servers and servers[1]) or not taken_over and room(queue) <= 0 then return false end
  for _, s in ipairs(servers) do woken = mark(s, queue, wake) or woken end
  return woken
end

-- queue marks a queue as ready and signals idle replicas, as Wake.queue does, for the tasks of all its lines. Of more than
-- 64 servers of lines with labels it handles those that were not handled for longest. It returns whether it signalled one.
function Offer.queue(queue, wake)
  local key, s, free, woken, marked = P .. 'offers:' .. queue, Settings.of(queue), room(queue), false, {}
  local plain = s.takeover or free > 0 and call('EXISTS', P .. 'wait:' .. queue) == 1
  for _, class in ipairs(plain and wake.classes(queue) or {}) do
    woken = mark({ name = class, class = class }, queue, wake) or woken
  end
  for _, name in ipairs(free > 0 and call('ZRANGE', key, 0, 63) or {}) do
    local server = Server.named(name)
    if server then
      marked[#marked + 1], marked[#marked + 2] = NOW_TEXT, name
      woken = mark(server, queue, wake) or woken
    else
      Server.withdraw(queue, name)
    end
  end
  if marked[1] then call('ZADD', key, 'XX', unpack(marked)) end
  return woken
end

-- can_claim reports whether a server can claim tasks of the open lines of a queue. Without room it can take over tasks.
local function can_claim(server, queue, room)
  for _, line in ipairs(Line.some(server, queue, room and 1 or 16)) do
    if room or call('EXISTS', P .. 'takeover:' .. line) == 1 then return true end
  end
  return false
end

-- exhausted removes a queue from the ready queues of the servers that can claim nothing from it now.
function Offer.exhausted(queue, wake, step)
  local s, takes_plain, n, by = Settings.of(queue), {}, Settings.room(queue)
  local free = n > 0
  local plain = s.takeover or free and call('EXISTS', P .. 'wait:' .. queue) == 1
  for _, class in ipairs(plain and wake.classes(queue) or {}) do takes_plain[class] = true end
  for _, class in ipairs(Server.classes(queue)) do
    if not takes_plain[class] and not can_claim(class, queue, free) then call('ZREM', P .. 'ready:' .. class, queue) end
  end
  if step.own and not can_claim(step.replica, queue, free) then call('ZREM', P .. 'ready:' .. step.replica, queue) end
  if s.pool_limit and by ~= true then freed.pool = true end
  if by then Keeper.note(queue, by) end
end
