-- Trimming of the callback stream. events:trimmed in meta is a position up to which entries are gone, so that a reader
-- that fell behind is told so.

local function trimmed_to(id) call('HSET', META, 'events:trimmed', id) end

-- trimmed_before_first notes the position before the oldest entry that is left.
local function trimmed_before_first()
  local first = call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]
  if not first then return end
  local ms, seq = string.match(first[1], '^(%d+)-(%d+)$')
  if seq == '0' then trimmed_to(whole(ms - 1) .. '-18446744073709551615')
  else trimmed_to(ms .. '-' .. whole(seq - 1)) end
end

-- trim_count drops the oldest entries over the cap, whole nodes at a time.
local function trim_count()
  local cap = tonumber(call('HGET', META, 'events:max') or 1000000)
  if EVENT_COUNT <= cap + 100 then return end
  if call('XTRIM', EVENTS, 'MAXLEN', '~', cap) > 0 then trimmed_before_first() end
end

-- trim_age drops the entries that are too old: whole nodes while there are many, of which one XTRIM takes a hundred, and
-- in the end exactly. It returns whether some are left.
local function trim_age()
  local oldest = NOW - (call('HGET', META, 'events:age') or 24 * 3600 * 1000)
  local function too_old(entry) return entry and tonumber(string.match(entry[1], '^%d+')) < oldest end
  -- Looked at first, because a search backwards from before the first entry walks the whole stream.
  if not too_old(call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]) then return false end
  local last = call('XREVRANGE', EVENTS, '(' .. whole(oldest) .. '-0', '-', 'COUNT', 1)[1]
  if call('XTRIM', EVENTS, 'MINID', '~', whole(oldest) .. '-0') == 0 then
    call('XTRIM', EVENTS, 'MINID', whole(oldest) .. '-0')
  elseif too_old(call('XRANGE', EVENTS, '-', '+', 'COUNT', 1)[1]) then
    trimmed_before_first()
    return true
  end
  trimmed_to(last[1])
  return false
end
