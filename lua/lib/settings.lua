-- uses: base
-- Pauses, limits and caps, as they are in meta.

-- The limit of a pool while its running tasks are being counted, before its first real limit: see count.lua.
Settings.UNLIMITED = '1000000000'

-- counted reports whether all that runs in the pool has been counted, by a caller that read limit:removed before it counted.
-- That number grows when the limit, and the count with it, is removed.
function Settings.counted(removed)
  local h = call('HMGET', META, 'limit', 'limit:removed')
  return h[1] and (h[2] or '0') == removed
end

-- of reads what is set for a queue and for the pool, once per call: paused, limit, pool_limit, cap, large (whether
-- the pool ever had large payloads).
local read = {}
function Settings.of(queue)
  local s = read[queue]
  if not s then
    local h = call('HMGET', META, 'paused', 'paused:' .. queue, 'limit:queue:' .. queue, 'limit', 'cap:' .. queue, 'large')
    s = { paused = h[1] or h[2], limit = tonumber(h[3] or nil), pool_limit = tonumber(h[4] or nil),
      cap = tonumber(h[5] or nil), large = h[6] }
    read[queue] = s
  end
  return s
end

-- room is how many more tasks of the queue may start now, over all replicas, and whether the pool's own limit is what holds
-- the queue back.
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
