-- uses: base claims record doctor/finding doctor/names doctor/pool doctor/running doctor/task
-- Claims and their leases.

-- lost_run returns the task if it ran under a claim and its run entry is gone, nil otherwise. No script leaves this state.
local function lost_run(queue, id, fence)
  local letter = Record.header_of(Record.read_head(id) or '')
  if not letter or Record.STATES[letter] ~= 'waiting' then return nil end
  local m = DoctorTask.examine(id)
  if not (m and m.state == 'waiting' and m.queue == queue) or not DoctorTask.missing.waiting(m) then return nil end
  if m.flag == '1' and call('HGET', Record.extras_key(id), 'fence') == fence then return nil end
  return m
end

-- check_claim_ids restores missing run entries of a claim's tasks. It returns whether any task runs under the claim.
local function check_claim_ids(fence, c)
  local running = {}
  for _, id in ipairs((Claims.open_ids(fence, c))) do running[id] = true end
  local any = next(running) ~= nil
  for _, id in ipairs(c.ids) do
    local m = not running[id] and lost_run(c.queue, id, fence)
    if m then
      any = true
      DoctorFinding.report('no_run', 'run:' .. c.queue, id, fence, 'put back', function()
        local run = DoctorRunning.run_for(m, fence, c.start, c.replica)
        call('HSET', P .. 'run:' .. c.queue, id, DoctorRunning.text_of(run))
      end)
    end
  end
  return any
end

local function remove_claim(fence)
  call('HDEL', P .. 'claims', fence)
  call('ZREM', P .. 'leases', fence)
end

-- claim checks an entry of claims. It returns how many tasks it checked. A claim without running attempts is no finding: it
-- is removed when its lease ends, or here in repair mode.
function DoctorClaims.claim(name, _, fence, text)
  local c = string.match(fence, '^%d+$') and Claims.parse(text)
  if not (c and c.n == #c.ids and DoctorNames.is_name(c.queue)) then
    DoctorFinding.report('bad_claim', name, fence, '', 'removed', function() remove_claim(fence) end)
    return 1
  end
  DoctorPool.note_fence(fence)
  DoctorNames.has_type('run:' .. c.queue, 'run')
  local ends = call('ZSCORE', P .. 'leases', fence)
  ends = ends and (tonumber(ends) or math.huge)
  if not check_claim_ids(fence, c) and DoctorFinding.repairs then
    remove_claim(fence)
  elseif not ends or ends > NOW + c.lease then
    DoctorFinding.report(ends and 'far_lease' or 'no_lease', 'leases', fence, c.replica, 'set to its length', function()
      call('ZADD', P .. 'leases', whole(NOW + c.lease), fence)
    end)
  end
  return #c.ids
end

-- lease checks an entry of leases.
function DoctorClaims.lease(name, _, fence)
  if call('HEXISTS', P .. 'claims', fence) == 1 then return end
  DoctorFinding.report('lease_alone', name, fence, '', 'removed', function() call('ZREM', P .. name, fence) end)
end
