-- uses: base
-- The list of queues, and the number of tasks that wait in one.

-- list adds a queue to the list.
local listed = {}
function Queues.list(queue)
  if listed[queue] then return end
  redis.pcall('SADD', P .. 'queues', queue) -- an error must not stop a step half-way; the doctor repairs the list
  listed[queue] = true
end

function Queues.waiting(queue) return call('ZCARD', P .. 'wait:' .. queue) + call('ZCARD', P .. 'group:wait:' .. queue) end
