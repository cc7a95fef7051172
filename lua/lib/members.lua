-- uses: base former keeper parents server wake
-- Removing replicas from their class and from the list.

-- wake_others signals other replicas of the class after one was removed. The removed replica may have been the only one that
-- knew of the ready queues, or when the next task is due.
function Members.wake_others(class)
  for _, queue in ipairs(call('ZRANGE', P .. 'ready:' .. class, 0, 63)) do Wake.signal_for(queue, class) end
  if call('EXISTS', P .. 'scheduled', P .. 'timers') > 0 then Wake.signal_idle(class, NOW, 'due') end
end

-- leave_class removes a replica from its class, and the class with its last member.
function Members.leave_class(replica, class)
  local key = P .. 'class:' .. class
  call('ZREM', P .. 'idle:' .. class, replica)
  if call('HDEL', key, 'r:' .. replica) == 0 then return end
  local members = call('HLEN', key) - call('HEXISTS', key, 'kinds') - call('HEXISTS', key, 'complete')
  if members > 0 then return Members.wake_others(class) end
  call('DEL', key, P .. 'ready:' .. class, P .. 'idle:' .. class)
  Server.remove(class)
end

-- lines_to_lose returns the lines whose tasks wait for a take-over by this replica, or by one of its host.
local function lines_to_lose(replica)
  local lines = {}
  for _, line in ipairs(call('ZRANGE', P .. 'serving:' .. replica, 0, 999)) do -- the doctor finds what is left
    if call('EXISTS', P .. 'takeover:' .. line) == 1 then lines[#lines + 1] = line end
  end
  return lines
end

-- remove_replica removes a replica from the list, with its own keys. Where it ran is kept: see former.lua. The caller calls
-- Wake.all, which lets the tasks end that no other replica can take over.
function Members.remove_replica(replica)
  local record = P .. 'replica:' .. replica
  local h = redis.pcall('HMGET', record, 'class', 'host', 'runs_on')
  call('ZREM', P .. 'replicas', replica)
  call('DEL', record, P .. 'signals:' .. replica, P .. 'stop:' .. replica, P .. 'ready:' .. replica)
  Former.add(replica, h[3])
  local lines = lines_to_lose(replica)
  Server.remove(replica)
  Keeper.forget(replica)
  if h[2] then call('SREM', P .. 'host:' .. string.sub(h[2], 6), replica) end
  if h[1] then Members.leave_class(replica, h[1]) end
  for _, line in ipairs(lines) do claimable[line] = true end
  Parents.lose_children(replica)
end
