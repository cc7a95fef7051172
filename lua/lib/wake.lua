-- Markers that wake idle replicas: whatever makes a task claimable leaves one.

local function queues() return call('SMEMBERS', P .. 'queues') end

-- note_queue makes a queue that has a setting one of the queues, before its first task.
local function note_queue(field)
  local queue = string.match(field, '^limit:queue:(.+)$') or string.match(field, '^paused:(.+)$')
    or string.match(field, '^cap:(.+)$')
  if queue then call('SADD', P .. 'queues', queue) end
end

local function waiting(queue)
  return call('ZCARD', P .. 'wait:' .. queue) + call('ZCARD', P .. 'group:wait:' .. queue)
end

-- running_in_pool is counted once per call; who changes it forgets it.
local pool_running
local function running_in_pool()
  if not pool_running then
    pool_running = 0
    for _, q in ipairs(queues()) do pool_running = pool_running + call('ZCARD', P .. 'running:' .. q) end
  end
  return pool_running
end

-- room is how many more tasks of the queue may start now, over all replicas.
local function room(queue)
  local s = call('HMGET', META, 'paused', 'paused:' .. queue, 'limit:queue:' .. queue, 'limit')
  if s[1] or s[2] then return 0 end
  local free = math.huge
  if s[3] then free = s[3] - call('ZCARD', P .. 'running:' .. queue) end
  if s[4] then free = math.min(free, s[4] - running_in_pool()) end
  return math.max(free, 0)
end

-- nudge leaves the queue's marker: at most one, it wakes one replica.
local function nudge(queue)
  local key = P .. 'wake:' .. queue
  if call('LLEN', key) == 0 then call('RPUSH', key, 1) end
end

-- wake leaves a marker if something in the queue can be claimed.
local function wake(queue)
  if call('LLEN', P .. 'wake:' .. queue) == 0 and call('ZCARD', P .. 'wait:' .. queue) > 0 and room(queue) > 0 then
    call('RPUSH', P .. 'wake:' .. queue, 1)
  end
end

-- freed collects the queues in which this call made something claimable. wake_freed wakes them, and every queue if the
-- pool's own limit may have been what held them, but not those that the caller claims from next in the same pipeline
-- (names separated by spaces).
local freed = {}
local function wake_freed(claimed_next)
  if not next(freed) then return end
  if call('HEXISTS', META, 'limit') == 1 then
    for _, q in ipairs(queues()) do freed[q] = true end
  end
  for q in string.gmatch(claimed_next or '', '%S+') do freed[q] = nil end
  for q in pairs(freed) do wake(q) end
end

-- inherit wakes others in the place of a replica that is gone: it may have taken a marker with it, or have been the
-- only one that knew when the next task is due.
local function inherit()
  for _, q in ipairs(queues()) do wake(q) end
  local head = call('ZRANGE', P .. 'scheduled', 0, 0)[1]
  if head then nudge(call('HGET', task_key(head), 'queue') or 'default') end
end

-- scheduled collects what this call scheduled: queues by id.
local scheduled = {}

-- sooner wakes a replica that must learn of such a task, if it is due before all others.
local function sooner()
  local head = next(scheduled) and call('ZRANGE', P .. 'scheduled', 0, 0)[1]
  if head and scheduled[head] then nudge(scheduled[head]) end
end
