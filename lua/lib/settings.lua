-- uses: base
-- Pauses, limits and caps of the pool and its queues.

-- UNLIMITED is the limit of a pool while its running tasks are counted, before its first real limit: see count.lua.
Settings.UNLIMITED = '1000000000'

-- counted reports whether all running tasks of the pool have been counted. removed is limit:removed as the caller read it
-- before it counted. That number grows when the limit is removed, which removes the count, too.
function Settings.counted(removed)
  local h = call('HMGET', META, 'limit', 'limit:removed')
  return h[1] and (h[2] or '0') == removed
end

-- uncounted reports whether a setting would give the pool a limit before its running tasks have been counted.
function Settings.uncounted(field, value, removed)
  return field == 'limit' and tonumber(value) and not Settings.counted(removed)
end

-- set changes a setting. '' removes it, and so does 'none', for no limit. Only a group keeps 'none' as its limit, so that
-- limit:group does not apply to it. A number of ms in archive:wait is in the field large, too, so that every call reads it
-- without a field of its own: "1" after a large payload, else "0", a space, and the ms.
function Settings.set(field, value)
  if field == 'archive:wait' then
    local large = string.sub(call('HGET', META, 'large') or '0', 1, 1)
    if tonumber(value) then call('HSET', META, 'large', large .. ' ' .. value)
    elseif large == '0' then call('HDEL', META, 'large')
    else call('HSET', META, 'large', '1') end
  end
  local exempt = value == 'none' and string.find(field, '^limit:group:')
  if exempt or value ~= '' and value ~= 'none' then
    call('HSET', META, field, value)
  elseif call('HDEL', META, field) == 1 and field == 'limit' then
    call('DEL', P .. 'counted', P .. 'held')
    call('HINCRBY', META, 'limit:removed', 1)
  end
end

-- of returns the settings of a queue and of the pool: paused, limit, pool_limit, cap, large (whether the pool ever had large
-- payloads), wait (for how many ms ended tasks are kept until the archive has them; nil for no wait), takeover (whether
-- tasks wait for a take-over). They are read once per call.
local read = {}
function Settings.of(queue)
  local s = read[queue]
  if not s then
    local h = call('HMGET', META, 'paused', 'paused:' .. queue, 'limit:queue:' .. queue, 'limit', 'cap:' .. queue, 'large',
      'takeover:' .. queue)
    s = { paused = h[1] or h[2], limit = tonumber(h[3] or nil), pool_limit = tonumber(h[4] or nil),
      cap = tonumber(h[5] or nil), large = h[6], takeover = h[7] }
    if s.pool_limit and string.find(queue, '^export:') then s.pool_limit = nil end -- a save is no running task
    if h[6] and h[6] ~= '1' then
      local large, wait = string.match(h[6], '^([01]) (%d+)$')
      if large then s.large, s.wait = large == '1', tonumber(wait) end
    end
    read[queue] = s
  end
  return s
end

-- room returns how many more tasks of the queue may start now, on all replicas together, and whether the pool's own limit
-- alone blocks the queue.
function Settings.room(queue)
  local s = Settings.of(queue)
  if s.paused then return 0, false end
  local free = math.huge
  if s.limit then free = s.limit - call('HLEN', P .. 'run:' .. queue) end
  if s.pool_limit and free > 0 then
    local pool = s.pool_limit - call('SCARD', P .. 'counted')
    if pool <= 0 then return 0, true end
    free = math.min(free, pool)
  end
  return math.max(free, 0), false
end
