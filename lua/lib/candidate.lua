-- What a claim finds in line.

-- candidate reads what stands in line. A task without the field more is plain: it has never started, belongs to no group
-- and expires never, and five fields are all there is to know of it.
local function candidate(queue, id, score)
  -- A line that others wrote to, or a server that writes numbers its own way, must not spoil the task.
  if not string.find(score, '^%d+$') then
    score = whole(math.max(math.min(tonumber(score), 9007199254740991), 0))
  end
  local key = task_key(id)
  local h = redis.pcall('HMGET', key, 'state', 'more', 'kind', 'payload', 'created_at')
  local kind, payload, created_at = h[3], h[4], tonumber(h[5] or nil)
  local t = { id = id, key = key, score = score, queue = queue, kind = kind, payload = payload, created_at = created_at,
    h = false, flat = false }
  if h[1] ~= 'waiting' or h[2] or not (kind and payload and created_at) then
    t.flat = redis.pcall('HGETALL', key)
    t.h = fields(t.flat)
  end
  return t
end

-- measure takes the numbers out of a task's fields. It is called protected: what somebody else wrote there must fail
-- before anything is changed.
local function measure(h)
  return h.attempt and h.attempt + 1 or 1, (h.v or 1) + 1, NOW - (h.due_at or h.created_at),
    bound_of(h.kind, NOW, h.timeout_ms, h.deadline_at),
    (h.attempt and h.deadline_at or not h.attempt and h.expires_at or math.huge) - NOW <= 0
end
