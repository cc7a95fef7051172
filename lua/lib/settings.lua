-- uses: base rate special
-- Pauses, limits and caps of the pool and its queues.

-- of returns the settings of a queue and of the pool: paused, limit, pool_limit, cap, large (whether the pool ever had large
-- payloads), takeover (whether tasks wait for a take-over), lines (whether a server has open lines: see line.lua), wait (for
-- how many ms ended tasks are kept until the archive has them; nil for no wait), rate (see rate.lua), aging (see aging.lua).
-- They are read once per call.
local read = {}
function Settings.of(queue)
  local s = read[queue]
  if not s then
    local h = call('HMGET', META, 'paused', 'paused:' .. queue, 'limit:queue:' .. queue, 'limit', 'cap:' .. queue, 'large',
      'special:' .. queue, 'archive:wait')
    s = { paused = h[1] or h[2], limit = tonumber(h[3] or nil), pool_limit = tonumber(h[4] or nil),
      cap = tonumber(h[5] or nil), large = h[6], wait = tonumber(h[8] or nil) }
    if h[7] then Special.read(queue, s) end
    if s.pool_limit and string.find(queue, '^export:') then s.pool_limit = nil end -- a save is no running task
    read[queue] = s
  end
  return s
end

-- room returns how many more tasks of the queue may start now, on all replicas together, and what alone blocks the queue:
-- true for the pool's own limit, or the time when the next token of the queue's rate returns, else false.
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
  if s.rate and free > 0 then
    local tokens, at = Rate.free(Rate.queue_key(queue), s.rate)
    return math.min(free, tokens), at or false
  end
  return math.max(free, 0), false
end
