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

-- lose lets the tasks of a line without a server end as lost: children of broadcasts that wait, and tasks that wait for a
-- take-over by a replica that has gone, or by a host without replicas. See loss.lua.
local function lose(line, labels, wake)
  local replica, entries = string.match(labels, '^id=([^,]+)'), {}
  if not (replica or string.find(labels, '^host=')) then return end
  if replica and call('EXISTS', P .. 'broadcast:' .. replica) == 1 then entries = { NOW_TEXT, 'replica ' .. replica } end
  if call('EXISTS', P .. 'takeover:' .. line) == 1 then
    entries[#entries + 1], entries[#entries + 2] = NOW_TEXT, 'line ' .. line
  end
  if not entries[1] then return end
  Record.soft('ZADD', P .. 'spreading', unpack(entries))
  for _, other in ipairs(call('ZRANGE', P .. 'replicas', 0, 0, 'REV')) do wake.signal(other, 'shards') end
end

-- list lists a line that has changed: as open or not, or not at all if it has no tasks. It returns the servers of an open
-- line, nil for another one, and whether running tasks wait in it for a take-over. wake may be nil if the line has servers.
function Offer.list(line, wake)
  local queue, labels = Line.split(line)
  local open, taken_over = Line.is_open(line)
  local servers = Server.of(queue, labels)
  if wake and not servers[1] then lose(line, labels, wake) end
  if not open then return Server.close(line, queue, labels, servers) end
  if taken_over and servers[1] then call('HDEL', META, 'unserved:' .. line) end
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

-- PAGE is how many servers of lines with labels a call handles at least, if there are so many, MOST how many at most.
local PAGE, MOST = 64, 1024

-- idle_servers returns the servers of lines of a queue that are, or have, idle replicas, as keys.
local function idle_servers(queue)
  local idle = {}
  for _, class in ipairs(Server.classes(queue)) do
    for _, replica in ipairs(call('ZRANGE', P .. 'idle:' .. class, 0, -1)) do idle[replica], idle[class] = true, true end
  end
  return idle
end

-- mark_servers marks a queue as ready for the servers of open lines, those first that were not handled for longest, until
-- it has signalled a replica for each free place. It returns whether it signalled one.
local function mark_servers(queue, free, wake)
  local key, woken, marked, gone, idle = P .. 'offers:' .. queue, 0, {}, {}, nil
  for from = 0, MOST - 1, PAGE do
    local names = call('ZRANGE', key, from, from + PAGE - 1)
    for _, name in ipairs(names) do
      local is_marked = idle and not idle[name] and call('ZSCORE', P .. 'ready:' .. name, queue)
      local server = is_marked or Server.named(name)
      if server then marked[#marked + 1], marked[#marked + 2] = NOW_TEXT, name else gone[#gone + 1] = name end
      if server and not is_marked and mark(server, queue, wake) then woken = woken + 1 end
    end
    if #names < PAGE or woken >= free then break end
    idle = idle or idle_servers(queue)
  end
  in_parts(2000, marked, 'ZADD', key)
  for _, name in ipairs(gone) do Server.withdraw(queue, name) end
  return woken > 0
end

-- queue marks a queue as ready and signals idle replicas, as Wake.queue does, for the tasks of all its lines. It returns
-- whether it signalled one.
function Offer.queue(queue, wake)
  local s, free, woken = Settings.of(queue), room(queue), false
  local plain = s.takeover or free > 0 and call('EXISTS', P .. 'wait:' .. queue) == 1
  for _, class in ipairs(plain and wake.classes(queue) or {}) do
    woken = mark({ name = class, class = class }, queue, wake) or woken
  end
  return free > 0 and mark_servers(queue, free, wake) or woken
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
