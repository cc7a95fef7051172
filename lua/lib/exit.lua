-- uses: base queue settings
-- The ways out of running. They are collected and written together, before a claim of the same call counts what runs.

-- add takes one attempt out of running; all takes those of a list that the caller no longer needs.
local left, opened = {}, {}
function Exit.all(queue, ids)
  left[queue] = left[queue] or ids
  if left[queue] == ids then return end
  for _, id in ipairs(ids) do Exit.add(queue, id) end
end
function Exit.add(queue, id)
  local ids = left[queue] or {}
  left[queue] = ids
  ids[#ids + 1] = id
end

-- group takes one attempt out of the running tasks of its group.
function Exit.group(group, id)
  call('SREM', P .. 'group:run:' .. group, id)
  opened[group] = true
end

-- more does what the end of an attempt with a group or a stop request needs besides.
function Exit.clean_up(m)
  if m.group then Exit.group(m.group, m.id) end
  local asked = P .. 'stop:' .. m.replica
  if m.flag == '1' and call('SREM', asked, m.fence .. ' ' .. m.id) == 1 and call('EXISTS', asked) == 0 then
    call('HDEL', P .. 'replica:' .. m.replica, 'stop')
  end
end

-- write removes the collected attempts from the running tasks, notes which queues have room now, and makes the next tasks
-- of their groups claimable.
function Exit.write()
  for queue, ids in pairs(left) do
    in_parts(2000, ids, 'HDEL', P .. 'run:' .. queue)
    local s = Settings.of(queue)
    if s.limit then claimable[queue] = true end
    if s.pool_limit then
      in_parts(2000, ids, 'SREM', P .. 'counted')
      freed.pool = true
    end
  end
  left = {}
  for group in pairs(opened) do Queue.unblock(group) end
  opened = {}
end
