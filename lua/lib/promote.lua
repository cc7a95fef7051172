-- The schedule: tasks that wait for their time.

-- promote moves up to most due tasks into their lines and returns how many ms remain until the next is due, 0 for none,
-- and how many it has moved.
local function promote(most)
  local head = call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
  if not head[1] then return 0, 0 end
  if tonumber(head[2]) > NOW then return head[2] - NOW, 0 end
  local due = call('ZRANGEBYSCORE', P .. 'scheduled', '-inf', NOW, 'LIMIT', 0, most)
  local moved_on = 0
  local sequence = call('HINCRBY', META, 'seq', #due) - #due
  for i, id in ipairs(due) do
    local m = load(id)
    call('ZREM', P .. 'scheduled', id)
    if m and m.state == 'scheduled' then
      local score = place_of(id, m) or score_of(tonumber(call('HGET', task_key(id), 'priority') or 0) or 0, sequence + i)
      call('HSET', task_key(id), 'state', 'waiting', 'v', m.v + 1, 'score', whole(score))
      place(m.queue, m.group, score, id)
      event(id, m, 'waiting', m.v + 1)
      freed[m.queue] = true
      moved_on = moved_on + 1
    end
  end
  head = call('ZRANGE', P .. 'scheduled', 0, 0, 'WITHSCORES')
  return head[1] and math.max(head[2] - NOW, 1) or 0, moved_on
end
