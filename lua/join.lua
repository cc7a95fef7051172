-- join: puts a replica on the list and publishes its configuration, in one call or page by page.
--
-- KEYS  prefix, meta
-- ARGV  limit:removed as read before the running tasks were counted ('' if they were not), schema version, replica, lease
--       ms, class, page from 0, 1 if it is the last page, description (JSON), ms since it started, label of its host ('' for
--       none), labels ("," and per label: label and ","), where it runs (JSON), disabled kinds (" " and per kind: kind
--       and " "; '' for none), number of settings, per setting: field of meta, value ('none' is no limit); number of kinds,
--       per kind: kind, policy, and after a | that of its exporter if it has one; number of queues, queues. A class is the
--       hash of the queues and kinds that a replica serves and of its labels, after an x if the replica takes only tasks
--       with labels.
-- Returns {1 if the class is known: its queues need not be sent}, then the fields whose live value this call replaced, each
--       with the former value, and fields that can only change while their queue is empty and did not, each with a ! before
--       it and the value that stays. Error UNCOUNTED if the pool would get a limit before all running tasks have been
--       counted.
-- Keeps: the newest configuration replaces older ones. A value that was set live stays until a configuration changes. A
-- replica gets tasks only after its last page.
-- uses: base configure queue queues record wake
run_when_full()
local schema = call('HGET', META, 'schema')
if schema and schema ~= ARGV[2] then return redis.error_reply('SCHEMA ' .. schema) end
for i = 15, 13 + 2 * ARGV[14], 2 do
  if Configure.uncounted(ARGV[i], ARGV[i + 1], ARGV[1]) and call('HGET', META, 'config:limit') ~= ARGV[i + 1] then
    return redis.error_reply('UNCOUNTED')
  end
end
local replica, lease, class, page, last = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7] == '1'
local host, labels, exclusive = ARGV[10], ARGV[11], string.sub(class, 1, 1) == 'x'
local record, group = P .. 'replica:' .. replica, P .. 'class:' .. class

call('HSET', META, 'schema', ARGV[2])
-- A replica's record has the epoch of its pool. Another epoch means that the settings were lost after the replica joined.
call('HSETNX', META, 'epoch', clock[1] .. '.' .. clock[2])
call('ZADD', P .. 'replicas', whole(NOW + lease), replica)
call('HSET', record, 'about', ARGV[8], 'runs_on', ARGV[12], 'class', class, 'lease', whole(lease),
  'started_at', whole(NOW - ARGV[9]), 'seen_at', NOW_TEXT, 'running', 0, 'stuck', 0)
if ARGV[13] ~= '' then call('HSET', record, 'disabled', ARGV[13]) else call('HDEL', record, 'disabled') end
call('HSET', group, 'r:' .. replica, 1)
if host ~= '' then
  call('HSET', record, 'host', host)
  call('SADD', P .. 'host:' .. string.sub(host, 6), replica)
end

local reply, at = { call('HEXISTS', group, 'complete') }, 15
for _ = 1, tonumber(ARGV[14]) do
  local field, value = ARGV[at], ARGV[at + 1]
  at = at + 2
  local queue = Configure.queue_of(field)
  if queue then Queues.list(queue) end
  if Configure.needs_empty(field, value) then
    reply[#reply + 1] = '!' .. field
    reply[#reply + 1] = call('HGET', META, field) or 'none'
  elseif call('HGET', META, 'config:' .. field) ~= value then
    local live = call('HGET', META, field)
    call('HSET', META, 'config:' .. field, value)
    Configure.set(field, value)
    if live and live ~= value and live ~= Configure.UNLIMITED then
      reply[#reply + 1] = field
      reply[#reply + 1] = live
    end
    local name = string.match(field, '^%l+:group:(.+)$')
    if name then Queue.unblock(name) end
    if queue then claimable[queue] = true end
  end
end

local kinds = page == '0' and ' ' or call('HGET', group, 'kinds') or ' '
for i = at + 1, at + 2 * ARGV[at], 2 do
  local policy, export = string.match(ARGV[i + 1], '^([^|]*)|?(.*)$')
  call('HSET', META, 'kind:' .. ARGV[i], policy)
  if export ~= '' then call('HSET', META, 'export:' .. ARGV[i], export)
  else call('HDEL', META, 'export:' .. ARGV[i]) end
  kinds = kinds .. ARGV[i] .. ' '
end
if reply[1] == 0 then call('HSET', group, 'kinds', kinds) end
at = at + 1 + 2 * ARGV[at]

for i = at + 1, at + ARGV[at] do
  local queue = ARGV[i]
  call('SADD', P .. 'served:' .. queue .. '#', class)
  if not exclusive or string.find(queue, Record.EXPORT, 1, true) == 1 then call('SADD', P .. 'served:' .. queue, class) end
  claimable[queue] = true
end
if last then
  call('HSET', group, 'complete', labels)
  call('HSET', record, 'epoch', call('HGET', META, 'epoch'))
end
Wake.all()
return reply
