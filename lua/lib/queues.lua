-- uses: base
-- The list of queues.

-- list adds a queue to the list.
local listed = {}
function Queues.list(queue)
  if listed[queue] then return end
  redis.pcall('SADD', P .. 'queues', queue) -- an error must not stop a step half-way; the doctor repairs the list
  listed[queue] = true
end
