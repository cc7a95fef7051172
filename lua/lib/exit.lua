-- uses: base outside queue request settings
-- Attempts that no longer run. They are collected and removed together, before a claim of the same call counts the running
-- tasks.

-- all removes the attempts of a list from the running tasks of a queue. The caller must not use the list afterwards.
local ended, freed_groups = {}, {}
function Exit.all(queue, ids)
  ended[queue] = ended[queue] or ids
  if ended[queue] == ids then return end
  for _, id in ipairs(ids) do Exit.add(queue, id) end
end

-- add removes one attempt.
function Exit.add(queue, id)
  local ids = ended[queue] or {}
  ended[queue] = ids
  ids[#ids + 1] = id
end

-- group removes one attempt from the running tasks of its group.
function Exit.group(group, id)
  call('SREM', P .. 'group:run:' .. group, id)
  freed_groups[group] = true
end

-- clean_up removes an attempt from its group, and removes its stop request and its token.
function Exit.clean_up(m)
  if m.group then Exit.group(m.group, m.id) end
  if m.run.flag > '1' then Outside.forget(m) end
  if m.flag == '1' then Request.forget(m.replica, m.fence .. ' ' .. m.id) end
end

-- write removes the collected attempts from the running tasks, marks the queues that have room now as claimable, and
-- unblocks the next tasks of the groups.
function Exit.write()
  for queue, ids in pairs(ended) do
    in_parts(2000, ids, 'HDEL', P .. 'run:' .. queue)
    local s = Settings.of(queue)
    if s.limit then claimable[queue] = true end
    if s.pool_limit then
      in_parts(2000, ids, 'SREM', P .. 'counted')
      freed.pool = true
    end
  end
  ended = {}
  for group in pairs(freed_groups) do Queue.unblock(group) end
  freed_groups = {}
end
