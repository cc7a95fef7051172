-- uses: base rate
-- What few queues have: tasks that wait for a take-over, open lines (see line.lua), a rate, aging. special:QUEUE is a field
-- of meta while a queue has any of them, so that the other queues read one field for all.

-- read adds to the settings of a queue.
function Special.read(queue, s)
  local h = call('HMGET', META, 'takeover:' .. queue, 'rate:queue:' .. queue, 'aging:' .. queue, 'lines:' .. queue)
  s.takeover, s.aging, s.lines = h[1] or nil, tonumber(h[3] or nil), h[4] or nil
  if h[2] and not string.find(queue, '^export:') then s.rate = Rate.parse(h[2]) end -- a save is no start
end

-- missing reports whether the queue has any of them and not the field.
function Special.missing(queue)
  local h = call('HMGET', META, 'takeover:' .. queue, 'rate:queue:' .. queue, 'aging:' .. queue, 'lines:' .. queue,
    'special:' .. queue)
  return (h[1] or h[2] or h[3] or h[4]) and not h[5]
end

-- note corrects the field after a change.
function Special.note(queue)
  local h = call('HMGET', META, 'takeover:' .. queue, 'rate:queue:' .. queue, 'aging:' .. queue, 'lines:' .. queue)
  if h[1] or h[2] or h[3] or h[4] then call('HSET', META, 'special:' .. queue, 1)
  else call('HDEL', META, 'special:' .. queue) end
end
