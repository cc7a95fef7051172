-- consumers: shows that a consumer of a group of the event stream is alive, or removes it. It removes consumers of dead
-- processes.
--
-- KEYS  prefix, meta
-- ARGV  group, consumer, 1 if it leaves the group, ms without a call after which another consumer is dead, most dead
--       consumers
-- Returns the number of consumers removed. Error NOGROUP if there is no such group.
-- Keeps: a consumer that holds entries stays, so that another one can take them over. A consumer that was removed and is
-- alive nevertheless exists again when it gets an entry. While the clock is behind the time that it had before it was set
-- back, the time for which an entry is held counts from now if the entry was delivered later than now.
-- uses: base
local events, group, own, leaves, removed = P .. 'events', ARGV[1], ARGV[2], ARGV[3] == '1', 0
if call('EXISTS', events) == 0 then return 0 end

-- count_from_now handles entries that were delivered later than now, among the oldest 5,000 that are held. XPENDING reports
-- 0 ms for them. XCLAIM for the consumer that holds an entry also sets the time of the consumer's last call.
local function count_from_now()
  local from = '-'
  for _ = 1, 10 do
    local page = call('XPENDING', events, group, from, '+', 500)
    for _, held in ipairs(page) do
      local id, consumer, ms = held[1], held[2], held[3]
      if ms <= 0 then call('XCLAIM', events, group, consumer, 0, id, 'IDLE', 0, 'JUSTID') end
      from = '(' .. id
    end
    if #page < 500 then return end
  end
end
if call('HEXISTS', META, 'clock:behind') == 1 then count_from_now() end

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
