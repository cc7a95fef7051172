-- uses: base wake
-- Replicas that leave their class, or the list.

-- inherit wakes other replicas of the class after one has gone: only that one may have known of ready queues, or when the
-- next task is due.
function Members.wake_others(class)
  for _, queue in ipairs(call('ZRANGE', P .. 'ready:' .. class, 0, 63)) do Wake.signal_for(queue, class) end
  if call('EXISTS', P .. 'scheduled') == 1 then Wake.signal_idle(class, NOW, 'due') end
end

-- leave_class takes a replica out of its class, which goes with its last member.
function Members.leave_class(replica, class)
  local key = P .. 'class:' .. class
  call('ZREM', P .. 'idle:' .. class, replica)
  if call('HDEL', key, 'r:' .. replica) == 0 then return end
  local members = call('HLEN', key) - call('HEXISTS', key, 'kinds') - call('HEXISTS', key, 'complete')
  if members > 0 then return Members.wake_others(class) end
  call('DEL', key, P .. 'ready:' .. class, P .. 'idle:' .. class)
end

-- remove_replica takes a replica off the list, with what is kept for it alone.
function Members.remove_replica(replica)
  local record = P .. 'replica:' .. replica
  local class = redis.pcall('HGET', record, 'class')
  call('ZREM', P .. 'replicas', replica)
  call('DEL', record, P .. 'signals:' .. replica, P .. 'stop:' .. replica)
  if type(class) == 'string' then Members.leave_class(replica, class) end
end
