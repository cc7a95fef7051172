-- uses: base line special
-- Changing settings, and the first limit of a pool.

-- UNLIMITED is the limit of a pool while its running tasks are counted, before its first real limit: see count.lua.
Configure.UNLIMITED = '1000000000'

-- counted reports whether all running tasks of the pool have been counted. removed is limit:removed as the caller read it
-- before it counted. That number grows when the limit is removed, which removes the count, too.
function Configure.counted(removed)
  local h = call('HMGET', META, 'limit', 'limit:removed')
  return h[1] and (h[2] or '0') == removed
end

-- uncounted reports whether a setting would give the pool a limit before its running tasks have been counted.
function Configure.uncounted(field, value, removed)
  return field == 'limit' and tonumber(value) and not Configure.counted(removed)
end

-- set changes a setting. '' removes it, and so does 'none', for no limit. Only a group keeps 'none' as its limit or rate, so
-- that limit:group or rate:group does not apply to it.
function Configure.set(field, value)
  local exempt = value == 'none' and string.find(field, '^%l+:group:')
  if exempt or value ~= '' and value ~= 'none' then
    call('HSET', META, field, value)
  elseif call('HDEL', META, field) == 1 and field == 'limit' then
    call('DEL', P .. 'counted', P .. 'held')
    call('HINCRBY', META, 'limit:removed', 1)
  end
  local queue = string.match(field, '^rate:queue:(.+)$') or string.match(field, '^aging:(.+)$')
  if queue then Special.note(queue) end
end

-- queue_of returns the queue that a setting belongs to, nil for a setting of the pool or a group.
function Configure.queue_of(field)
  return string.match(field, '^%l+:queue:(.+)$') or string.match(field, '^paused:(.+)$') or string.match(field, '^cap:(.+)$')
    or string.match(field, '^aging:(.+)$')
end

-- needs_empty reports whether a setting cannot change now: the positions of the tasks that wait or run in the queue are made
-- with the value that it has.
function Configure.needs_empty(field, value)
  local queue = string.match(field, '^aging:(.+)$')
  if not queue or (call('HGET', META, field) or 'none') == (value == '' and 'none' or value) then return false end
  return Line.waiting(queue) + call('HLEN', P .. 'run:' .. queue) > 0
end
