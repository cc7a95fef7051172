-- uses: base members queue record
-- uses: doctor/claims doctor/finding doctor/former doctor/lines doctor/pool doctor/running doctor/shards doctor/task
-- uses: doctor/timers
-- Checks of the members of indexes.

-- DoctorMembers has one check per kind of key. Its arguments are the key's name, what follows the kind in it, the member,
-- and its score or value. It returns how many tasks it checked, nil for one.
DoctorMembers.run, DoctorMembers.claims, DoctorMembers.leases = DoctorRunning.run, DoctorClaims.claim, DoctorClaims.lease
DoctorMembers.meta, DoctorMembers.stats, DoctorMembers.timers = DoctorPool.setting, DoctorPool.total, DoctorTimers.timer
for _, checks in ipairs({ DoctorShards.MEMBERS, DoctorLines.MEMBERS, DoctorFormer.MEMBERS }) do
  for kind, check in pairs(checks) do DoctorMembers[kind] = check end
end
local zrem, srem = function(key, id) call('ZREM', key, id) end, function(key, id) call('SREM', key, id) end
-- belongs reports whether there is a task for a member and fits(task) is true. Otherwise it reports and removes the member.
local function belongs(name, member, id, remove, fits)
  local m = DoctorTask.examine(id)
  if m and fits(m) then return true end
  DoctorTask.drop(name, member, id, m, remove)
end

-- stale reports and removes a member that refers to something that no longer exists.
local function stale(name, member, remove)
  DoctorFinding.report('stale_entry', name, member, '', 'removed', function() remove(P .. name, member) end)
end

function DoctorMembers.wait(name, queue, id, score)
  belongs(name, id, id, zrem, function(m)
    return (m.state == 'waiting' or m.state == 'exporting') and m.line == queue and tonumber(m.score) == tonumber(score)
  end)
end
function DoctorMembers.labelled(name, queue, id, score)
  belongs(name, id, id, zrem, function(m)
    return m.state == 'waiting' and m.line ~= m.queue and m.queue == queue and tonumber(m.score) == tonumber(score)
  end)
end
function DoctorMembers.scheduled(name, _, id, score)
  belongs(name, id, id, zrem, function(m)
    return m.state == 'exporting' and not m.run
      or m.state == 'scheduled' and tonumber(DoctorTask.due_of(m) or score) == tonumber(score)
  end)
end
function DoctorMembers.expiring(name, _, id) belongs(name, id, id, zrem, DoctorTask.is_live) end
function DoctorMembers.ended(name, state, id) belongs(name, id, id, zrem, function(m) return m.state == state end) end
function DoctorMembers.full(name, _, kind)
  if call('EXISTS', P .. 'group:queues:!' .. kind) == 0 then stale(name, kind, srem) end
end
local function is_away(m) return m.run and m.run.flag > '2' end
function DoctorMembers.outside(name, _, id) belongs(name, id, id, zrem, is_away) end
function DoctorMembers.staged(name, kind, id)
  belongs(name, id, id, srem, function(m) return m.state == 'exporting' and m.kind == kind end)
end
function DoctorMembers.takeover(name, queue, id, score)
  belongs(name, id, id, zrem, function(m)
    return m.run and m.run.flag == '4' and m.line == queue and tonumber(m.score) == tonumber(score)
  end)
end
function DoctorMembers.counted(name, _, id)
  belongs(name, id, id, function(...)
    srem(...)
    freed.pool = true
  end, function(m) return m.state == 'running' and m.letter ~= 'r' end)
end

DoctorMembers['group:wait'] = function(name, queue, member)
  local group, score, id = string.match(member, '^(%S+) (%d+) (%S+)$')
  if not belongs(name, member, id or member, zrem, function(m)
    return m.state == 'waiting' and m.line == queue and (m.group == group or '!' .. m.kind == group) and m.score == score
      and not call('ZSCORE', P .. 'wait:' .. queue, id)
  end) then return end
  if call('SISMEMBER', P .. 'group:queues:' .. group, queue) == 0 then
    DoctorFinding.report('group_unlisted', 'group:queues:' .. group, queue, '', 'listed',
      function() call('SADD', P .. 'group:queues:' .. group, queue) end)
  end
  if string.sub(group, 1, 1) == '!' --[[ see full.lua ]] or call('HGET', P .. 'group:head:' .. queue, group) then return end
  local full, at = Queue.group_full(group)
  if at then DoctorTimers.must_have('g ' .. group, at)
  elseif not full then
    DoctorFinding.report('group_stuck', name, id, group, 'moved to its queue', function() Queue.unblock(group) end)
  end
end
DoctorMembers['group:head'] = function(name, queue, group, score)
  local waiting = P .. 'wait:' .. queue
  local there = string.match(score, '^%d+$') and call('ZRANGEBYSCORE', waiting, score, score, 'LIMIT', 0, 10)
  for _, id in ipairs(there or {}) do
    if DoctorLines.group_of(id) == group then return end
  end
  DoctorFinding.report('stale_head', name, group, '', 'removed', function()
    call('HDEL', P .. name, group)
    Queue.unblock(group)
  end)
end
DoctorMembers['group:run'] = function(name, group, id)
  belongs(name, id, id, function(...)
    srem(...)
    Queue.unblock(group)
  end, function(m) return m.state == 'running' and m.letter ~= 'r' and m.group == group end)
end
DoctorMembers['group:queues'] = function(name, group, queue)
  if Queue.first_blocked(queue, group) or call('HEXISTS', P .. 'group:head:' .. queue, group) == 1 then return end
  -- While tasks of the group run this is no finding: the end of one removes the entry.
  if call('EXISTS', P .. 'group:run:' .. group) == 0 then stale(name, queue, srem) end
end

function DoctorMembers.stop(name, replica, attempt)
  if string.find(attempt, '^%-%d+ %S+$') then return end -- the next renewal removes it
  local fence, id = string.match(attempt, '^(%d+) (%S+)$')
  local m = id and DoctorTask.examine(id)
  if not (m and m.fence == fence) then stale(name, attempt, srem) end
end
-- check_served checks that served:QUEUE has the class of a replica, for each queue that its description names. It returns
-- the number of these queues.
local function check_served(class, about)
  if call('HEXISTS', P .. 'class:' .. class, 'complete') == 0 then return end
  local ok, described = pcall(cjson.decode, about)
  local queues, n = ok and type(described) == 'table' and described.queues, 0
  for queue in pairs(type(queues) == 'table' and queues or {}) do
    n = n + 1
    DoctorLines.check_served(class, queue)
  end
  return n
end
-- A replica's entry ends one lease after its last heartbeat. It ends later only if the server's clock was set back.
function DoctorMembers.replicas(name, _, replica, ends)
  local h = redis.pcall('HMGET', P .. 'replica:' .. replica, 'about', 'lease', 'class', 'epoch')
  if h.err or not h[1] then return stale(name, replica, zrem) end
  local lease = tonumber(h[2] or nil)
  if lease and (tonumber(ends) or math.huge) > NOW + lease then
    DoctorFinding.report('far_lease', name, replica, '', 'set to its length', function()
      call('ZADD', P .. name, whole(NOW + lease), replica)
    end)
  end
  if h[3] and call('HEXISTS', P .. 'class:' .. h[3], 'r:' .. replica) == 0 then
    DoctorFinding.report('not_in_class', 'class:' .. h[3], replica, '', 'added', function()
      call('HSET', P .. 'class:' .. h[3], 'r:' .. replica, 1)
    end)
  end
  if h[3] and h[4] then return check_served(h[3], h[1]) end
end
function DoctorMembers.class(name, class, field)
  local replica = string.match(field, '^r:(.+)$')
  if not replica or call('ZSCORE', P .. 'replicas', replica) then return end
  stale(name, field, function() Members.leave_class(replica, class) end)
end
function DoctorMembers.ready(name, server, queue)
  if not DoctorLines.serves(server, queue) then stale(name, queue, zrem) end
end
function DoctorMembers.idle(name, class, replica)
  if call('HEXISTS', P .. 'class:' .. class, 'r:' .. replica) == 0 then stale(name, replica, zrem) end
end
