-- forget: removes an unused queue from the list, with its settings.
--
-- KEYS  prefix, meta
-- ARGV  queue
-- Returns '' if the queue was removed, else the reason why not: none, tasks, inbox or replica.
-- Keeps: a queue stays if it has waiting or running tasks or if a replica on the list serves it. A silent replica counts,
-- because it may continue without configuring its limit again. All queues stay while the inbox has entries, which may be for
-- them. The caller checks for scheduled tasks. A scheduled task that it misses lists its queue again when it is due.
-- uses: base line wake
run_when_full()
local queue = ARGV[1]
if call('SISMEMBER', P .. 'queues', queue) == 0 then return 'none' end
if Line.waiting(queue) + call('HLEN', P .. 'run:' .. queue) > 0 then return 'tasks' end
if call('LLEN', P .. 'inbox') + call('LLEN', P .. 'inbox:open') > 0 then return 'inbox' end
if #Wake.classes(queue) + #Wake.classes(queue .. '#') > 0 then return 'replica' end
call('SREM', P .. 'queues', queue)
call('SREM', P .. 'held', queue)
for _, field in ipairs({ 'limit:queue:' .. queue, 'cap:' .. queue, 'paused:' .. queue, 'rate:queue:' .. queue,
  'aging:' .. queue }) do
  call('HDEL', META, field, 'config:' .. field)
end
call('DEL', P .. 'served:' .. queue, P .. 'served:' .. queue .. '#', P .. 'group:head:' .. queue, P .. 'offers:' .. queue,
  P .. 'rate:' .. queue)
call('ZREM', P .. 'timers', 'q ' .. queue)
call('HDEL', META, 'takeover:' .. queue, 'lines:' .. queue, 'special:' .. queue)
return ''
