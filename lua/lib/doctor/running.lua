-- uses: base configure exit jobs outside record run server doctor/finding doctor/pool doctor/task
-- Checks of run entries.

-- claim_for returns the queue of a claim and the text of its ids, with a space around each. It returns nil if the claim
-- cannot be read. It reads a claim once per call.
local claims_read = {}
local function claim_for(fence)
  local c = claims_read[fence]
  if not c then
    local text = redis.pcall('HGET', P .. 'claims', fence)
    local queue, ids = string.match(type(text) == 'string' and text or '', '^%d+ %S+ (%S+) %d+ %d+ [01]( .*)$')
    c = { queue, ids and ids .. ' ' }
    claims_read[fence] = c
  end
  return c[1], c[2]
end

function DoctorRunning.text_of(run)
  local flag = run.flag == '0' and '1' or run.flag
  return Run.text(run.fence, run.attempt, whole(run.v), whole(run.start), flag, run.kind, run.replica, run.group)
end

-- give_claim gives an attempt a claim of its own, with a new fence and a lease that has ended. The next reap takes the
-- attempt back like any lost one.
local function give_claim(queue, id, run)
  local fence = whole(math.max((tonumber(call('HGET', META, 'fence') or nil) or 0) + 1, NOW * 100))
  call('HSET', META, 'fence', fence)
  local requests = P .. 'stop:' .. run.replica
  if call('SREM', requests, run.fence .. ' ' .. id) == 1 then call('SADD', requests, fence .. ' ' .. id) end
  run.fence = fence
  call('HSET', P .. 'run:' .. queue, id, DoctorRunning.text_of(run))
  call('HSET', P .. 'claims', fence, table.concat({ 1, run.replica, queue, whole(run.start), 0, 0, id }, ' '))
  call('ZADD', P .. 'leases', NOW_TEXT, fence)
end

-- run_for returns a new run entry for a task without a readable one. Its version is higher than that of any event of the
-- attempt.
function DoctorRunning.run_for(m, fence, start, replica)
  local v, attempt = m.v + 2, (tonumber(m.attempt) or 0) + 1
  if m.home then v, attempt = m.v, tonumber(m.attempt) or 1 end -- a save is no attempt
  return { fence = fence, attempt = whole(attempt), v = v, start = start, flag = '1', kind = m.kind, replica = replica,
    group = m.group }
end

-- must_have checks that a running task is in a set that counts running tasks.
local function must_have(code, name, id)
  if call('SISMEMBER', P .. name, id) == 1 then return end
  DoctorFinding.report(code, name, id, '', 'counted', function() call('SADD', P .. name, id) end)
end
-- slow is how many of the attempts checked in this call are past their soft timeout.
DoctorRunning.slow = 0

-- check_extras counts a slow attempt, and checks that a stop request reaches the replica. A task that waits for a take-over
-- has none, and a clean-up ends as a stop without it.
local function check_extras(m, run)
  local extras = m.flag == '1' and call('HMGET', Record.extras_key(m.id), 'stop', 'slow', 'cleanup')
  if extras and extras[2] == run.fence then DoctorRunning.slow = DoctorRunning.slow + 1 end
  if not (extras and extras[1]) or extras[3] or run.flag == Jobs.UNOWNED then return end
  local name, record, attempt = 'stop:' .. run.replica, P .. 'replica:' .. run.replica, run.fence .. ' ' .. m.id
  local h = call('HMGET', record, 'about', 'stop')
  if not h[1] or h[2] and call('SISMEMBER', P .. name, attempt) == 1 then return end
  DoctorFinding.report('stop_lost', name, m.id, '', 'requested again', function()
    call('SADD', P .. name, attempt)
    call('HSET', record, 'stop', 1)
  end)
end
local function check_counted(id)
  local limit = call('HGET', META, 'limit')
  if limit and limit ~= Configure.UNLIMITED then must_have('not_counted', 'counted', id) end
end

-- check_outside checks that the time of an attempt outside is known, and that it is not later than it can be. Without it the
-- attempt would never time out.
local function check_outside(m)
  local within = number(redis.pcall('HGET', Record.extras_key(m.id), 'within') or nil)
  local latest = Outside.ends(m, within or 0)
  local ends = tonumber(call('ZSCORE', Outside.KEY, m.id) or nil)
  if ends and (not within or ends <= NOW + within) then return end
  DoctorFinding.report(ends and 'far_outside' or 'no_outside', 'outside', m.id, '', 'set to its length',
    function() call('ZADD', Outside.KEY, whole(latest), m.id) end)
end

-- check_unowned checks that a task that waits for a take-over is listed, and does not wait for a replica that has gone, or
-- for a host without replicas.
local function check_unowned(m)
  if call('ZSCORE', Outside.KEY, m.id) then return end
  local name = 'takeover:' .. m.line
  if not call('ZSCORE', P .. name, m.id) then
    return DoctorFinding.report('no_entry', name, m.id, m.state, 'listed', function() Jobs.list(m) end)
  end
  local labels = m.member and '' or m.labels or ''
  local replica, host = string.match(labels, '^id=([^,]+)'), string.match(labels, '^host=([^,]+)')
  if not (replica or host) or call('ZSCORE', P .. 'spreading', 'line ' .. m.line) then return end
  if replica and call('EXISTS', P .. 'replica:' .. replica) == 1 then return end
  if host and Server.of(m.queue, labels)[1] then return end
  DoctorFinding.report('job_waits', name, m.id, replica and 'replica ' .. replica or 'host ' .. host, 'to be ended',
    function() claimable[m.line] = true end)
end

-- run checks an entry of run:QUEUE.
function DoctorRunning.run(name, queue, id, text)
  local m = DoctorTask.examine(id) or DoctorTask.check(id)
  local saved = m and m.state == 'exporting'
  if not (m and (m.state == 'running' or saved) and m.queue == queue) then
    return DoctorTask.drop(name, id, id, m, function()
      Exit.add(queue, id)
      Exit.write()
    end)
  end
  if not saved then check_counted(id) end
  local run = Run.parse(text)
  if not run then
    return DoctorFinding.report('bad_run', name, id, '', 'taken back', function()
      give_claim(queue, id, DoctorRunning.run_for(m, '0', NOW, 'unknown'))
    end)
  end
  DoctorPool.note_fence(run.fence)
  local of_queue, ids = claim_for(run.fence)
  if run.flag == Outside.OUTSIDE then
    check_outside(m)
  elseif run.flag == Jobs.UNOWNED then
    check_unowned(m)
  elseif of_queue ~= queue or not string.find(ids, ' ' .. id .. ' ', 1, true) then
    DoctorFinding.report('no_claim', name, id, run.fence, 'taken back', function() give_claim(queue, id, run) end)
  elseif run.flag == '0' and (m.at_end or m.flag == '1' or m.group ~= run.group) then
    DoctorFinding.report('run_unflagged', name, id, '', 'corrected', function()
      run.group = m.group
      call('HSET', P .. name, id, DoctorRunning.text_of(run))
    end)
  end
  if m.group then must_have('not_in_group', 'group:run:' .. m.group, id) end
  check_extras(m, run)
end
