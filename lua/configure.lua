-- configure: changes live settings.
--
-- KEYS  prefix, meta
-- ARGV  limit:removed as read before the running tasks were counted ('' if they were not), number of settings, then per
--       setting: field of meta, value ('' removes it, 'none' is no limit); then groups whose own limit changed
-- Returns 1. Error UNCOUNTED if the pool would get a limit before all running tasks have been counted. Error INUSE and the
--       setting if it can only change while its queue is empty, and the queue is not.
-- Keeps: a setting applies to every claim after this call. The script wakes replicas for the queues and groups that it
-- names. After a change of the pool the caller wakes replicas for all queues.
-- uses: base configure queue queues wake
run_when_full()
local last = 2 + 2 * ARGV[2]
for i = 3, last, 2 do
  if Configure.uncounted(ARGV[i], ARGV[i + 1], ARGV[1]) then return redis.error_reply('UNCOUNTED') end
  if Configure.needs_empty(ARGV[i], ARGV[i + 1]) then return redis.error_reply('INUSE ' .. ARGV[i]) end
end
for i = 3, last, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local queue = Configure.queue_of(field)
  if queue then
    Queues.list(queue)
    claimable[queue] = true
  end
  Configure.set(field, value)
end
for i = last + 1, #ARGV do Queue.unblock(ARGV[i]) end
Wake.all()
return 1
