-- uses: base former members record server settings special triggers wake
-- uses: doctor/finding doctor/job doctor/lines doctor/shards doctor/task doctor/timers
-- Checks of whole keys.

-- DoctorKeys has one check per kind of key. Its arguments are the key's name and what follows the kind in it.

function DoctorKeys.task(name, id)
  local m, why = DoctorTask.check(id)
  if m or why then return end
  DoctorFinding.report('bad_record', name, id, 'is empty', '', function() return DoctorFinding.quarantine(name) end)
end

-- check_extras checks that extras or a history belong to a task, and that its record has the flag for them. It returns false
-- if there is no such task.
local function check_extras(name, id)
  if call('EXISTS', Record.key(id), P .. 'broken:task:' .. id) == 0 then
    DoctorFinding.report('past_alone', name, id, '', 'removed', function() call('DEL', P .. name) end)
    return false
  end
  if redis.pcall('GETRANGE', Record.key(id), 1, 1) == '0' then
    DoctorFinding.report('past_unflagged', name, id, '', 'noted in its record',
      function() call('SETRANGE', Record.key(id), 1, '1') end)
  end
  return true
end
DoctorKeys.history = check_extras
function DoctorKeys.more(name, id)
  if not check_extras(name, id) then return end
  local numbers = { 'v', 'attempt', 'failures', 'lost', 'generation', 'due_at', 'ended_at', 'started_at', 'slow_at',
    'fence' }
  for i, value in ipairs(call('HMGET', P .. name, unpack(numbers))) do
    if value and not (string.match(value, '^%d+$') and #value <= 16) then
      DoctorFinding.report('bad_setting', name, numbers[i], value, 'removed',
        function() call('HDEL', P .. name, numbers[i]) end)
    end
  end
end

function DoctorKeys.unique(name, key)
  local holder = call('GET', P .. name)
  if DoctorTask.holds_unique(holder, key) then return end
  DoctorFinding.report('unique_stale', name, holder, '', 'removed', function() call('DEL', P .. name) end)
end

DoctorKeys.rate = DoctorTimers.state
DoctorKeys['group:rate'] = DoctorTimers.state

-- A queue with claimable tasks must be ready in all classes that serve it, or in held if it waits for a slot of the pool.
function DoctorKeys.wait(_, queue)
  if claimable[queue] then return end -- the end of this call marks it as ready
  if string.find(queue, '#', 1, true) then return DoctorLines.check(queue) end
  local free, by = Settings.room(queue)
  if by and by ~= true then DoctorTimers.must_have('q ' .. queue, by) end
  if call('SISMEMBER', P .. 'held', queue) == 1 then
    if free > 0 then claimable[queue] = true end -- the slot was offered to another queue, which did not use it
    return
  end
  if free <= 0 and by ~= true then return end
  for _, class in ipairs(call('SMEMBERS', P .. 'served:' .. queue)) do
    if call('EXISTS', P .. 'class:' .. class) == 1 and not call('ZSCORE', P .. 'ready:' .. class, queue) then
      return DoctorFinding.report('not_ready', 'ready:' .. class, queue, '', 'listed', function() Wake.queue(queue) end)
    end
  end
end

-- A queue with tasks that wait for a take-over must be noted in the settings.
function DoctorKeys.takeover(_, queue)
  if string.find(queue, '#', 1, true) then return DoctorLines.check(queue) end
  if call('HEXISTS', META, 'takeover:' .. queue) == 1 then return end
  DoctorFinding.report('not_ready', 'meta', 'takeover:' .. queue, '', 'listed', function()
    call('HSET', META, 'takeover:' .. queue, 1)
    Special.note(queue)
    Settings.of(queue).takeover = '1'
    claimable[queue] = true
  end)
end

-- served:QUEUE may name classes that no longer exist. Wake.classes removes them.
function DoctorKeys.served(_, queue)
  if DoctorFinding.repairs then Wake.classes(queue) end
end

-- needs_limit checks a set that exists only while the pool has a limit.
local function needs_limit(name)
  if call('HEXISTS', META, 'limit') == 1 then return end
  DoctorFinding.report('stale_entry', name, 'the limit of the pool', '', 'removed', function() call('DEL', P .. name) end)
end
DoctorKeys.counted, DoctorKeys.held = needs_limit, needs_limit

local function class_alone(name, class, remove)
  DoctorFinding.report('class_alone', name, class, '', 'removed', remove)
end
function DoctorKeys.class(name, class)
  if call('HLEN', P .. name) > call('HEXISTS', P .. name, 'kinds') + call('HEXISTS', P .. name, 'complete') then return end
  class_alone(name, class, function() call('DEL', P .. name, P .. 'ready:' .. class, P .. 'idle:' .. class) end)
end
function DoctorKeys.idle(name, class)
  if call('EXISTS', P .. 'class:' .. class) == 1 then return end
  class_alone(name, class, function() call('DEL', P .. name) end)
end
function DoctorKeys.ready(name, server)
  if not Server.named(server) then DoctorKeys.idle(name, server) end
end

function DoctorKeys.replica(name, replica)
  local h = call('HMGET', P .. name, 'seen_at', 'class', 'host', 'runs_on')
  DoctorLines.check_host(replica, h[3])
  if call('ZSCORE', P .. 'replicas', replica) or (tonumber(h[1] or nil) or 0) > NOW - 3600000 then return end
  DoctorFinding.report('replica_alone', name, '', '', 'removed', function()
    call('DEL', P .. name, P .. 'signals:' .. replica)
    Former.add(replica, h[4])
    if h[2] then Members.leave_class(replica, h[2]) end
  end)
end

function DoctorKeys.load(name, step)
  if step * 5000 > NOW - 180000 then return end
  DoctorFinding.report('load_stale', name, '', '', 'removed', function() call('DEL', P .. name) end)
end

-- expiring returns the check of keys that must expire, by default after so many ms.
local function expiring(ms)
  return function(name)
    if call('PTTL', P .. name) ~= -1 then return end
    DoctorFinding.report('no_expiry', name, '', '', 'set to expire', function() call('PEXPIRE', P .. name, ms) end)
  end
end
DoctorKeys.reply, DoctorKeys.call, DoctorKeys.signals = expiring(600000), expiring(600000), expiring(60000)
DoctorKeys.reported = expiring(600000)

-- A trigger must be among those that replicas handle.
function DoctorKeys.trigger(name, trigger)
  if call('ZSCORE', P .. 'triggers', trigger) then return end
  DoctorFinding.report('trigger_unlisted', 'triggers', trigger, '', 'listed', function()
    Triggers.restore(trigger)
    Triggers.write()
  end)
end

DoctorKeys.bulk = DoctorJob.record
DoctorKeys.pending, DoctorKeys.results = DoctorShards.pending, DoctorShards.results

function DoctorKeys.fired(name, trigger)
  if call('EXISTS', P .. 'trigger:' .. trigger) == 1 then return end
  DoctorFinding.report('stale_entry', name, trigger, '', 'removed', function() call('DEL', P .. name) end)
end

function DoctorKeys.broken(name) DoctorFinding.report('quarantined', name, '', '', '') end
