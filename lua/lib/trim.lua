-- uses: base event stream
-- The bound of the event stream. It counts events, not entries. In meta, events:added is how many events were ever appended,
-- events:gone how many were trimmed, and events:trimmed the position up to which entries are gone: a reader compares its own
-- position with it to learn whether it missed events.

local SLACK = 1000 -- the stream is trimmed once it has this many events too many, not one by one

-- account adds the appended events to the count in meta. If the stream has too many, it trims a bounded number of entries.
function Trim.account()
  local s = call('HMGET', META, 'events:added', 'events:gone', 'events:max')
  local added, gone = (tonumber(s[1] or nil) or 0) + Event.appended, tonumber(s[2] or nil) or 0
  local over = added - gone - (tonumber(s[3] or nil) or 1000000)
  local trimmed = 0
  if over > SLACK then
    trimmed = Stream.trim_front(math.max(100, math.min(Event.appended, 1000)), function(_, so_far) return so_far < over end)
  end
  if trimmed > 0 then call('HSET', META, 'events:added', whole(added), 'events:gone', whole(gone + trimmed))
  elseif Event.appended > 0 then call('HSET', META, 'events:added', whole(added)) end
  Event.appended = 0
end

-- close appends the collected events to the stream and trims it.
function Trim.close()
  Event.write()
  Trim.account()
end
