-- uses: base line queue record server settings doctor/finding
-- Checks of lines with labels: see line.lua.

-- lacks reports whether an open line is not listed for all of its servers.
local function lacks(line, queue, servers)
  for _, s in ipairs(servers) do
    if not call('ZSCORE', P .. 'serving:' .. s.name, line) or not call('ZSCORE', P .. 'offers:' .. queue, s.name) then
      return true
    end
    if s.replica and call('HEXISTS', P .. 'replica:' .. s.replica, 'own') == 0 then return true end
  end
  return servers[1] and call('HEXISTS', META, 'lines:' .. queue) == 0
end

-- check checks that a line with tasks is listed, and marked as ready for its servers if its tasks can be claimed.
function DoctorLines.check(line)
  local queue, labels = Line.split(line)
  local servers = Server.of(queue, labels)
  local unlisted = not call('ZSCORE', P .. 'lines:' .. queue, labels) or lacks(line, queue, servers)
  for _, s in ipairs(Settings.room(queue) > 0 and servers or {}) do
    unlisted = unlisted or not call('ZSCORE', P .. 'ready:' .. s.name, queue)
  end
  if not unlisted then return end
  DoctorFinding.report('not_ready', 'lines:' .. queue, line, '', 'listed', function()
    Line.add(line, {})
    claimable[line] = true
  end)
end

local function stale(name, member, remove)
  DoctorFinding.report('stale_entry', name, member, '', 'removed', remove)
end

-- line checks an entry of lines:QUEUE.
function DoctorLines.line(name, queue, labels)
  local line = queue .. '#' .. labels
  if Line.is_open(line) or call('EXISTS', P .. 'group:wait:' .. line) == 1 then return end
  stale(name, labels, function() call('ZREM', P .. name, labels) end)
end

-- served checks an entry of serving:SERVER.
function DoctorLines.served(name, server, line)
  local queue, labels = Line.split(line)
  for _, s in ipairs(labels and Line.is_open(line) and Server.of(queue, labels) or {}) do
    if s.name == server then return end
  end
  stale(name, line, function()
    call('ZREM', P .. name, line)
    if not Line.some(server, queue, 1)[1] then Server.withdraw(queue, server) end
  end)
end

-- offer checks an entry of offers:QUEUE.
function DoctorLines.offer(name, queue, server)
  if Line.some(server, queue, 1)[1] then return end
  stale(name, server, function() Server.withdraw(queue, server) end)
end

-- host checks an entry of host:HOST.
function DoctorLines.host(name, host, replica)
  if redis.pcall('HGET', P .. 'replica:' .. replica, 'host') == 'host=' .. host then return end
  stale(name, replica, function() call('SREM', P .. name, replica) end)
end

-- check_host checks that a replica is among those of its host.
function DoctorLines.check_host(replica, label)
  local name = label and 'host:' .. string.sub(label, 6)
  if not name or call('SISMEMBER', P .. name, replica) == 1 then return end
  DoctorFinding.report('not_in_class', name, replica, '', 'added', function() call('SADD', P .. name, replica) end)
end

-- serves reports whether a server serves a queue, with or without labels.
function DoctorLines.serves(server, queue)
  local s = Server.named(server)
  return call('SISMEMBER', P .. 'served:' .. queue, server) == 1
    or s and call('SISMEMBER', P .. 'served:' .. queue .. '#', s.class) == 1
end

-- check_served checks that a class is among those that serve a queue.
function DoctorLines.check_served(class, queue)
  local sets = { 'served:' .. queue .. '#', 'served:' .. queue }
  if string.sub(class, 1, 1) == 'x' and string.find(queue, Record.EXPORT, 1, true) ~= 1 then sets[2] = nil end
  for _, name in ipairs(sets) do
    if call('SISMEMBER', P .. name, class) == 0 then
      DoctorFinding.report('not_in_class', name, class, '', 'added', function()
        call('SADD', P .. name, class)
        claimable[queue] = true
      end)
    end
  end
end

-- unlisted checks that a waiting task with labels is among those of its queue.
function DoctorLines.unlisted(m)
  local labelled = 'labelled:' .. m.queue
  if m.line == m.queue or call('ZSCORE', P .. labelled, m.id) then return nil end
  return labelled, 'listed', function()
    Line.add(m.line, { m.score, m.id })
    claimable[m.line] = true
  end
end

-- put_back puts a waiting task that is in no index into its line.
function DoctorLines.put_back(m)
  local heads = P .. 'group:head:' .. m.line
  if m.group and call('HGET', heads, m.group) == m.score then call('HDEL', heads, m.group) end
  Queue.insert(m.line, m.group, m.score, m.id)
  Queue.write()
  claimable[m.line] = true
end

-- group_of returns the group of a task, nil if it has none or cannot be read.
function DoctorLines.group_of(id)
  local _, _, _, _, words = Record.header_of(Record.read_head(id) or '')
  return words and words.group
end

DoctorLines.MEMBERS = { lines = DoctorLines.line, serving = DoctorLines.served, offers = DoctorLines.offer,
  host = DoctorLines.host }
