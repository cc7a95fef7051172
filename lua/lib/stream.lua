-- uses: base event
-- Dropping the oldest entries of the callback stream.

local function changes_in(entry)
  local list = entry[2]
  for i = 1, #list, 2 do
    if list[i] == 'ids' then return select(2, string.gsub(list[i + 1], '%S+', '')) end
  end
  return 0
end

-- drop takes entries off the front, at most `most` of them and as long as is_over(entry, changes gone so far) says
-- so. It returns how many changes are gone and how many entries. An entry has 1 to 50 changes, so that few are read first.
function Stream.trim_front(most, is_over)
  local gone, n, last, from, page, more = 0, 0, nil, '-', 4, true
  while more and n < most do
    page = math.min(4 * page, most - n)
    local entries = call('XRANGE', Event.KEY, from, '+', 'COUNT', page)
    more = #entries == page
    for _, entry in ipairs(entries) do
      if not is_over(entry, gone) then
        more = false
        break
      end
      gone, n, last = gone + changes_in(entry), n + 1, entry[1]
    end
    from = last and '(' .. last
  end
  if n > 0 then
    call('XTRIM', Event.KEY, 'MAXLEN', call('XLEN', Event.KEY) - n)
    call('HSET', META, 'events:trimmed', last)
  end
  return gone, n
end

-- by_age drops at most 500 entries that are too old. It returns whether some may be left.
function Stream.trim_old()
  local oldest = NOW - (tonumber(call('HGET', META, 'events:age') or nil) or 24 * 3600 * 1000)
  local function is_old(entry) return tonumber(string.match(entry[1], '^%d+')) < oldest end
  local gone, n = Stream.trim_front(500, is_old)
  if gone > 0 then call('HINCRBY', META, 'events:gone', gone) end
  return n == 500
end
