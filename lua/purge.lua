-- purge: removes ended tasks, events and former replicas that have been kept long enough, and replicas that stopped
-- renewing. Finds triggers that should have fired.
--
-- KEYS  prefix, meta
-- ARGV  most tasks per state
-- Returns {ms until there is more to remove or 0, number of inbox entries, number of ended tasks removed, number of events
--       trimmed off the event stream, number of replicas removed from the list, number of reports in their list, number of
--       entries of triggers:inbox, number of parents with children to make or to stop, then names of triggers that should
--       have fired, each once per planned time}.
-- Keeps: all keys of a task are removed together. Other replicas are signalled in place of a dead one.
-- uses: base former late members record removal stream trim wake
run_when_full()
local first, removed, most = math.huge, 0, ARGV[1]
for state in pairs(Record.LETTERS) do
  local index = P .. 'ended:' .. state
  local old = call('ZRANGEBYSCORE', index, '-inf', NOW_TEXT, 'LIMIT', 0, most)
  for _, id in ipairs(old) do Removal.add(id, true) end
  removed = removed + #old
  if #old > 0 then call('ZREM', index, unpack(old)) end
  local head = tonumber(call('ZRANGE', index, 0, 0, 'WITHSCORES')[2] or nil)
  if head then first = math.min(first, math.max(head - NOW, 1)) end
end
Removal.write()
local gone = tonumber(call('HGET', META, 'events:gone') or nil) or 0
if Stream.trim_old() then first = 1 end
Trim.account()
local late = Late.report()
local silent = call('ZRANGEBYSCORE', P .. 'replicas', '-inf', NOW_TEXT, 'LIMIT', 0, 100)
for _, replica in ipairs(silent) do Members.remove_replica(replica) end
Former.trim()
freed.pool = #silent > 0
Wake.all()
return { first < math.huge and first or 0, call('LLEN', P .. 'inbox:open') + call('LLEN', P .. 'inbox'), removed,
  (tonumber(call('HGET', META, 'events:gone') or nil) or 0) - gone, #silent,
  call('LLEN', P .. 'reports:open') + call('LLEN', P .. 'reports'),
  call('LLEN', P .. 'triggers:inbox:open') + call('LLEN', P .. 'triggers:inbox'), call('ZCARD', P .. 'spreading'),
  unpack(late) }
