-- uses: base event
-- Removing the oldest entries of the event stream.

-- events_in returns how many events an entry has, 0 for one that another program wrote.
local function events_in(entry)
  local list = entry[2]
  for i = 1, #list, 2 do
    if list[i] == 'ids' then return select(2, string.gsub(list[i + 1], '%S+', '')) end
  end
  return 0
end

-- trim_front removes entries from the front while is_over(entry, number of events removed so far) is true, at most `most`
-- entries. It returns how many events and how many entries it removed. It reads few entries first, and then more: an entry
-- has 1 to 50 events.
function Stream.trim_front(most, is_over)
  local gone, n, last, from, page, has_more = 0, 0, nil, '-', 4, true
  while has_more and n < most do
    page = math.min(4 * page, most - n)
    local entries = call('XRANGE', Event.KEY, from, '+', 'COUNT', page)
    has_more = #entries == page
    for _, entry in ipairs(entries) do
      if not is_over(entry, gone) then
        has_more = false
        break
      end
      gone, n, last = gone + events_in(entry), n + 1, entry[1]
    end
    from = last and '(' .. last
  end
  if n > 0 then
    call('XTRIM', Event.KEY, 'MAXLEN', call('XLEN', Event.KEY) - n)
    call('HSET', META, 'events:trimmed', last)
  end
  return gone, n
end

-- trim_old removes at most 500 entries that are older than events:age (default: 24 hours). It returns whether more may be
-- left.
function Stream.trim_old()
  local oldest = NOW - (tonumber(call('HGET', META, 'events:age') or nil) or 24 * 3600 * 1000)
  local function is_old(entry) return tonumber(string.match(entry[1], '^%d+')) < oldest end
  local gone, n = Stream.trim_front(500, is_old)
  if gone > 0 then call('HINCRBY', META, 'events:gone', gone) end
  return n == 500
end
