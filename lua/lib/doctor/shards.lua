-- uses: base broadcast parents record shards doctor/finding doctor/task
-- Checks of parents and their children.

-- LATE is after how many ms a parent that waits for a replica is reported.
local LATE = 60000

local function deadline_of(m) return m.deadline_at or '+inf' end

-- A running parent must be listed.
function DoctorTask.missing.running(m)
  if m.letter ~= 'r' or call('ZSCORE', Parents.INDEX, m.id) then return nil end
  return 'parents', 'listed', function() call('ZADD', Parents.INDEX, deadline_of(m), m.id) end
end

-- again lets a replica look at all indexes of a parent again.
local function again(id)
  call('HSET', Record.extras_key(id), 'shards_next', 0)
  Parents.queue(id, NOW_TEXT)
end

-- letters_of returns the numbers of letters of a parent: by letter, and those without one.
local function letters_of(m, total)
  local n, blank = { S = 0, F = 0, X = 0, E = 0 }, 0
  for page = 0, math.ceil(total / Shards.PAGE) - 1 do
    local text = string.sub(Shards.letters(m.id, whole(page)), 1, math.min(total - page * Shards.PAGE, Shards.PAGE))
    for letter, before in pairs(n) do n[letter] = before + select(2, string.gsub(text, letter, '')) end
    blank = blank + select(2, string.gsub(text, '%-', ''))
  end
  return n, blank
end

-- parent checks the counts and the cursor of a running parent.
function DoctorTask.parent(m)
  local extras, total = Record.extras_key(m.id), Shards.total(m)
  local h = call('HMGET', extras, 'shards_next', 'shards_succeeded', 'shards_failed', 'shards_stopped', 'shards_expired')
  local n, blank = letters_of(m, total)
  for i, letter in ipairs({ 'S', 'F', 'X', 'E' }) do
    if (number(h[i + 1]) or 0) ~= n[letter] then
      local field = 'shards_' .. Record.STATES[letter]
      DoctorFinding.report('shards_miscounted', 'more:' .. m.id, m.id, field, 'counted again',
        function() call('HSET', extras, field, whole(n[letter])) end)
    end
  end
  local cursor, pending = number(h[1]), call('SCARD', Parents.pending(m.id))
  if call('ZSCORE', Parents.SPREADING, m.id) then return end
  if not cursor or cursor < total or blank == 0 then
    return DoctorFinding.report('shards_stuck', 'spreading', m.id, '', 'listed',
      function() Parents.queue(m.id, NOW_TEXT) end)
  end
  if blank ~= pending then
    DoctorFinding.report('shard_lost', 'pending:' .. m.id, m.id, whole(blank - pending), 'looked at again',
      function() again(m.id) end)
  end
end

-- running checks an entry of parents.
local function running(name, _, id)
  local m = DoctorTask.examine(id)
  if m and m.letter == 'r' then return end
  DoctorTask.drop(name, id, id, m, function(key, member) call('ZREM', key, member) end)
end

-- member checks a pending child.
local function member(name, parent, index)
  local m = DoctorTask.examine(parent .. '/' .. index)
  if m and m.shard and DoctorTask.is_live(m) then return end
  DoctorFinding.report('child_gone', name, parent .. '/' .. index, '', 'removed', function()
    call('SREM', P .. name, index)
    local p = DoctorTask.examine(parent)
    if p and p.letter == 'r' then again(parent) end
  end)
end

-- child checks that a live child of a broadcast is among those for its replica.
function DoctorTask.child(m)
  local name = 'broadcast:' .. m.member
  if m.home or call('SISMEMBER', P .. name, m.id) == 1 then return end
  DoctorFinding.report('no_entry', name, m.id, m.state, 'listed', function()
    call('SADD', P .. name, m.id)
    if Broadcast.missing(m.member) then Parents.lose_children(m.member) end
  end)
end

-- broadcast checks a child of a broadcast. It must not wait for a replica that is not on the list.
local function broadcast(name, replica, id)
  local m = DoctorTask.examine(id)
  if not (m and m.member == replica and DoctorTask.is_live(m)) then
    return DoctorTask.drop(name, id, id, m, function(key, member) call('SREM', key, member) end)
  end
  local waits = m.state == 'waiting' or call('ZSCORE', P .. 'takeover:' .. m.line, id)
  if not waits or call('EXISTS', P .. 'replica:' .. replica) == 1 then return end
  if call('ZSCORE', Parents.SPREADING, 'replica ' .. replica) then return end
  DoctorFinding.report('child_waits', name, id, replica, 'to be ended', function() Parents.lose_children(replica) end)
end

-- pending checks the children of a parent that does not run: they must be stopped.
function DoctorShards.pending(name, parent)
  local p = DoctorTask.examine(parent)
  if p and p.letter == 'r' or call('ZSCORE', Parents.SPREADING, parent) then return end
  DoctorFinding.report('children_live', name, parent, '', 'to be stopped', function() Parents.queue(parent, NOW_TEXT) end)
end

function DoctorShards.results(name, parent)
  local p = DoctorTask.examine(parent)
  if p and p.letter == 'r' then return end
  DoctorFinding.report('stale_entry', name, parent, '', 'removed', function() call('DEL', P .. name) end)
end

local function spreading(name, _, id, at)
  if NOW - tonumber(at) > LATE then
    local waited = whole(math.floor((NOW - tonumber(at)) / 1000))
    DoctorFinding.report('shards_late', name, id, waited, 'signalled', function() Parents.queue(id, NOW_TEXT) end)
  end
end

-- MEMBERS has the checks of members of indexes, by the kind of their key.
DoctorShards.MEMBERS = { pending = member, broadcast = broadcast, parents = running, spreading = spreading }
