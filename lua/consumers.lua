-- consumers: shows that a consumer of a group of the event stream is alive, or removes it. It removes consumers of dead
-- processes.
--
-- KEYS  prefix, meta
-- ARGV  group, consumer, 1 if it leaves the group, ms without a call after which another consumer is dead, most dead
--       consumers
-- Returns the number of consumers removed. Error NOGROUP if there is no such group.
-- Keeps: a consumer that holds entries stays, so that another one can take them over. A consumer that was removed and is
-- alive nevertheless exists again when it gets an entry.
-- uses: base
local events, group, own, leaves, removed = P .. 'events', ARGV[1], ARGV[2], ARGV[3] == '1', 0
if call('EXISTS', events) == 0 then return 0 end
-- Redis 7.0 counts only a read that gets entries as a call of the consumer, or one of the entries that it holds. None is
-- beyond this position.
if not leaves then call('XREADGROUP', 'GROUP', group, own, 'COUNT', 1, 'STREAMS', events, '18446744073709551615-0') end
for _, flat in ipairs(call('XINFO', 'CONSUMERS', events, group)) do
  local c = fields(flat)
  local is_dead = c.idle > tonumber(ARGV[4]) and removed < tonumber(ARGV[5])
  if c.name == own then is_dead = leaves end
  if is_dead and c.pending == 0 then
    call('XGROUP', 'DELCONSUMER', events, group, c.name)
    removed = removed + 1
  end
end
return removed
