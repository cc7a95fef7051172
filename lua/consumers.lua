-- consumers: shows that a consumer of a group of the event stream is alive, or removes it. It removes consumers of dead
-- processes.
--
-- KEYS  prefix, meta
-- ARGV  group, consumer, 1 if it leaves the group, ms without a call after which another consumer is dead, most dead
--       consumers, id that the last call returned or '' for the first
-- Returns {number of consumers removed, id for the next call}. Error NOGROUP if there is no such group.
-- Keeps: a consumer that holds entries stays, so that another one can take them over. A consumer that was removed and is
-- alive nevertheless exists again when it gets an entry. While the clock is behind the time that it had before it was set
-- back, the time for which an entry is held counts from now if the entry was delivered later than now.
-- uses: base
local events, group, own, leaves, removed = P .. 'events', ARGV[1], ARGV[2], ARGV[3] == '1', 0
if call('EXISTS', events) == 0 then return { 0, '' } end

local function is_after(id, other)
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  local other_ms, other_n = string.match(other, '^(%d+)-(%d+)$')
  if ms ~= other_ms then return tonumber(ms) > tonumber(other_ms) end
  return tonumber(n) > tonumber(other_n)
end

-- count_from_now handles a page of the held entries, those after the id last, and returns the last id of the page, '' at the
-- end. It acts on entries that were delivered later than now: XPENDING reports 0 ms for them. XCLAIM for the consumer that
-- holds an entry also sets the time of the consumer's last call. It would drop trimmed entries, whose loss must be reported,
-- so no page begins before the oldest entry.
local PAGE = 500
local function count_from_now(last)
  local oldest = call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
  if not oldest then return '' end
  local from = last ~= '' and is_after(last, oldest[1]) and '(' .. last or oldest[1]
  local page, by_consumer = call('XPENDING', events, group, from, '+', PAGE), {}
  for _, held in ipairs(page) do
    local id, consumer, ms = held[1], held[2], held[3]
    if ms <= 0 then
      by_consumer[consumer] = by_consumer[consumer] or {}
      table.insert(by_consumer[consumer], id)
    end
  end
  for consumer, ids in pairs(by_consumer) do
    table.insert(ids, 'IDLE')
    table.insert(ids, 0)
    table.insert(ids, 'JUSTID')
    call('XCLAIM', events, group, consumer, 0, unpack(ids))
  end
  return #page == PAGE and page[PAGE][1] or ''
end
local last = call('HEXISTS', META, 'clock:behind') == 1 and count_from_now(ARGV[6]) or ''

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
return { removed, last }
