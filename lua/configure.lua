-- configure: changes live settings.
--
-- KEYS  prefix, meta
-- ARGV  limit:removed as read before the running tasks were counted ('' if they were not), number of settings, then per
--       setting: field of meta, value ('' removes it); then groups whose own limit changed
-- Returns 1. Error UNCOUNTED if the pool would get a limit before all running tasks have been counted.
-- Keeps: a setting applies to every claim after this call. The script wakes replicas for the queues and groups that it
-- names. After a change of the pool the caller wakes replicas for all queues.
-- uses: base queue queues settings wake
run_when_full()
local last = 2 + 2 * ARGV[2]
for i = 3, last, 2 do
  if ARGV[i] == 'limit' and ARGV[i + 1] ~= '' and not Settings.counted(ARGV[1]) then
    return redis.error_reply('UNCOUNTED')
  end
end
for i = 3, last, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local queue = string.match(field, '^limit:queue:(.+)$') or string.match(field, '^paused:(.+)$')
    or string.match(field, '^cap:(.+)$')
  if queue then
    Queues.list(queue)
    claimable[queue] = true
  end
  if value ~= '' then
    call('HSET', META, field, value)
  elseif call('HDEL', META, field) == 1 and field == 'limit' then
    call('DEL', P .. 'counted', P .. 'held')
    call('HINCRBY', META, 'limit:removed', 1)
  end
end
for i = last + 1, #ARGV do Queue.unblock(ARGV[i]) end
Wake.all()
return 1
