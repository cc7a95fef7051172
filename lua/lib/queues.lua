-- uses: base
-- The list of queues, and how many tasks wait in one.

function Queues.all() return call('SMEMBERS', P .. 'queues') end

-- list_queue makes a queue known before its first task.
local listed = {}
function Queues.list(queue)
  if listed[queue] then return end
  redis.pcall('SADD', P .. 'queues', queue) -- in the middle of a step, which the list must not stop: the doctor repairs it
  listed[queue] = true
end

function Queues.waiting(queue) return call('ZCARD', P .. 'wait:' .. queue) + call('ZCARD', P .. 'group:wait:' .. queue) end
