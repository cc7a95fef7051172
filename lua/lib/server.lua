-- uses: base line settings special
-- The servers of lines: see line.lua.

-- has reports whether a text ",LABEL,LABEL," has all labels of a line.
local function has(text, labels)
  for label in string.gmatch(labels, '[^,]+') do
    if not string.find(text, ',' .. label .. ',', 1, true) then return false end
  end
  return true
end

-- of_class returns the labels of a class that has joined completely, as ",LABEL,LABEL,", nil for another one.
local texts = {}
local function of_class(class)
  if texts[class] == nil then texts[class] = call('HGET', P .. 'class:' .. class, 'complete') end
  return texts[class] or nil
end

-- own_servers returns the replicas that serve a line which names a replica or a host.
local function own_servers(queue, labels)
  local host, ids = string.match(labels, '^host=([^,]+)'), { string.match(labels, '^id=([^,]+)') }
  if host then ids = call('SMEMBERS', P .. 'host:' .. host) end
  local list = {}
  for _, id in ipairs(ids) do
    local h = redis.pcall('HMGET', P .. 'replica:' .. id, 'class', 'epoch', 'host')
    local text = not h.err and h[1] and h[2] and of_class(h[1])
    if text and has(text .. 'id=' .. id .. ',' .. (h[3] or '') .. ',', labels)
      and call('SISMEMBER', P .. 'served:' .. queue .. '#', h[1]) == 1 then
      list[#list + 1] = { name = id, class = h[1], replica = id }
    end
  end
  return list
end

-- classes returns the classes that serve the tasks of a queue that have labels.
function Server.classes(queue)
  local list = {}
  for _, class in ipairs(call('SMEMBERS', P .. 'served:' .. queue .. '#')) do
    if of_class(class) then list[#list + 1] = class end
  end
  return list
end

-- of returns the servers of a line: name, class, replica if it is one.
function Server.of(queue, labels)
  if string.find(labels, '^id=') or string.find(labels, '^host=') then return own_servers(queue, labels) end
  local list = {}
  for _, class in ipairs(Server.classes(queue)) do
    if has(of_class(class), labels) then list[#list + 1] = { name = class, class = class } end
  end
  return list
end

-- named returns the server with a name, nil if there is none.
function Server.named(name)
  if of_class(name) then return { name = name, class = name } end
  local class = redis.pcall('HGET', P .. 'replica:' .. name, 'class')
  return type(class) == 'string' and { name = name, class = class, replica = name } or nil
end

-- classes_of returns the classes that serve a line with labels, nil for another line.
function Server.classes_of(line)
  local list, seen = {}, {}
  if not string.find(line, '#', 1, true) then return nil end
  for _, s in ipairs(Server.of(Line.split(line))) do
    if not seen[s.class] then list[#list + 1] = s.class end
    seen[s.class] = true
  end
  return list
end

-- open lists an open line for its servers.
function Server.open(line, queue, servers)
  for _, s in ipairs(servers) do
    call('ZADD', P .. 'serving:' .. s.name, 0, line)
    call('ZADD', P .. 'offers:' .. queue, 'NX', NOW_TEXT, s.name)
    if s.replica then call('HSET', P .. 'replica:' .. s.replica, 'own', 1) end
  end
  if servers[1] and not Settings.of(queue).lines then
    call('HSET', META, 'lines:' .. queue, 1)
    Special.note(queue)
    Settings.of(queue).lines = '1'
  end
end

-- withdraw removes a server without open lines in a queue.
function Server.withdraw(queue, server)
  local key = P .. 'offers:' .. queue
  if call('ZREM', key, server) == 0 or call('EXISTS', key) == 1 then return end
  call('HDEL', META, 'lines:' .. queue)
  Special.note(queue)
  Settings.of(queue).lines = nil
end

-- remove removes a server that no longer exists.
function Server.remove(server)
  local key, from = P .. 'serving:' .. server, '-'
  for _ = 1, 1000 do -- the doctor removes what is left
    local line = call('ZRANGEBYLEX', key, from, '+', 'LIMIT', 0, 1)[1]
    if not line then break end
    local queue = Line.split(line)
    Server.withdraw(queue, server)
    from = '[' .. queue .. '$'
  end
  call('DEL', key)
end

-- close removes a line that is not open, and forgets one without tasks.
function Server.close(line, queue, labels, servers)
  for _, s in ipairs(servers) do
    local key = P .. 'serving:' .. s.name
    call('ZREM', key, line)
    if not Line.some(s.name, queue, 1)[1] then Server.withdraw(queue, s.name) end
    if s.replica and call('EXISTS', key) == 0 then call('HDEL', P .. 'replica:' .. s.replica, 'own') end
  end
  if call('EXISTS', P .. 'group:wait:' .. line) == 0 then
    call('ZREM', P .. 'lines:' .. queue, labels)
    call('DEL', P .. 'group:head:' .. line)
  end
end
