-- configure: changes live settings.
--
-- KEYS  prefix, meta
-- ARGV  number of settings, then per setting: field of meta, value ('' removes it); then groups whose own limit changed
-- Returns 1.
-- Keeps: a setting holds for every claim after this call. The queues and groups that are named are woken here; after a
-- change of the pool the caller wakes all queues.
-- uses: base queue queues wake
run_when_full()
local last = 1 + 2 * ARGV[1]
for i = 2, last, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local queue = string.match(field, '^limit:queue:(.+)$') or string.match(field, '^paused:(.+)$')
    or string.match(field, '^cap:(.+)$')
  if queue then
    Queues.list(queue)
    claimable[queue] = true
  end
  if value == '' then call('HDEL', META, field) else call('HSET', META, field, value) end
  if field == 'limit' and value == '' then call('DEL', P .. 'counted', P .. 'held') end
end
for i = last + 1, #ARGV do Queue.open(ARGV[i]) end
Wake.all()
return 1
