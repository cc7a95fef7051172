-- purge: removes what has been kept long enough: ended tasks, events, replicas that stopped beating.
--
-- KEYS  prefix, meta
-- ARGV  most tasks per state
-- Returns {ms until there is more to remove or 0, number of inbox entries, number of entries of ended tasks removed,
-- number of events trimmed, number of replicas taken off the list}.
-- Keeps: everything of a task goes together; a marker that a dead replica may have taken with it is left again.
-- uses: base full wake line policy task finish trim
local first, removed, events = math.huge, 0, EVENT_COUNT
for _, state in ipairs({ 'succeeded', 'failed', 'stopped', 'expired' }) do
  local index = P .. 'ended:' .. state
  local old = call('ZRANGEBYSCORE', index, '-inf', NOW, 'LIMIT', 0, ARGV[1])
  for _, id in ipairs(old) do forget(id) end
  removed = removed + #old
  if #old > 0 then call('ZREM', index, unpack(old)) end
  local head = tonumber(call('ZRANGE', index, 0, 0, 'WITHSCORES')[2])
  if head then first = math.min(first, math.max(head - NOW, 1)) end
end
flush()
if trim_age() then first = 1 end
trim_count()
local silent = call('ZRANGEBYSCORE', P .. 'replicas', '-inf', NOW, 'LIMIT', 0, 100)
for _, replica in ipairs(silent) do
  call('ZREM', P .. 'replicas', replica)
  call('DEL', P .. 'replica:' .. replica, P .. 'bell:' .. replica)
end
if #silent > 0 then inherit() end
return { first < math.huge and first or 0, call('LLEN', P .. 'inbox:open') + call('LLEN', P .. 'inbox'), removed,
  events - call('XLEN', EVENTS), #silent }
