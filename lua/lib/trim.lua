-- Trimming of the callback stream. events:trimmed in meta is a position up to which entries are gone, so that a reader
-- that fell behind is told so.

local function trimmed_to(id) call('HSET', META, 'events:trimmed', id) end

-- trim_count drops the oldest entries over the cap, whole nodes at a time.
local function trim_count()
  local cap = tonumber(call('HGET', META, 'events:max') or 1000000)
  if EVENT_COUNT <= cap + 100 then return end
  if call('XTRIM', EVENTS, 'MAXLEN', '~', cap) == 0 then return end
  local first = call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]
  if first then
    local ms, seq = string.match(first[1], '^(%d+)-(%d+)$')
    if seq == '0' then trimmed_to(whole(ms - 1) .. '-18446744073709551615')
    else trimmed_to(ms .. '-' .. whole(seq - 1)) end
  end
end

-- trim_age drops the entries that are too old, exactly.
local function trim_age()
  local oldest = NOW - (call('HGET', META, 'events:age') or 24 * 3600 * 1000)
  -- Looked at first, because a search backwards from before the first entry walks the whole stream.
  local first = call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]
  if not first or tonumber(string.match(first[1], '^%d+')) >= oldest then return end
  local last = call('XREVRANGE', EVENTS, '(' .. whole(oldest) .. '-0', '-', 'COUNT', 1)[1]
  call('XTRIM', EVENTS, 'MINID', whole(oldest) .. '-0')
  trimmed_to(last[1])
end
