-- forget: takes a queue that nobody uses off the list, with its settings.
--
-- KEYS  prefix, meta
-- ARGV  queue
-- Returns '' if it is off the list, or why not: none, tasks, inbox or replica.
-- Keeps: a queue with tasks in its line or running stays, as all do while the inbox may have tasks for them, and one that
-- a replica on the list serves, a silent one too: it may come back and go on without configuring its limit again.
-- Scheduled tasks are for the caller to look for; one that is overlooked lists its queue again when it is due.
-- uses: base full wake
local queue = ARGV[1]
if call('SISMEMBER', P .. 'queues', queue) == 0 then return 'none' end
if waiting(queue) + call('ZCARD', P .. 'running:' .. queue) > 0 then return 'tasks' end
if call('LLEN', P .. 'inbox') + call('LLEN', P .. 'inbox:open') > 0 then return 'inbox' end
for _, r in ipairs(call('ZRANGE', P .. 'replicas', 0, -1)) do
  if string.find(call('HGET', P .. 'replica:' .. r, 'queues') or '', ' ' .. queue .. ' ', 1, true) then return 'replica' end
end
call('SREM', P .. 'queues', queue)
for _, field in ipairs({ 'limit:queue:' .. queue, 'cap:' .. queue, 'paused:' .. queue }) do
  call('HDEL', META, field, 'config:' .. field)
end
call('DEL', P .. 'wake:' .. queue, P .. 'group:head:' .. queue)
return ''
