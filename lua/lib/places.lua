-- uses: base queue record settings
-- The places that the limits leave, for tasks that are refused if they would have to wait (on_limit).

-- waiting_in_group returns how many waiting tasks of a group are ahead of a position in a line. Of the group's tasks in
-- wait:LINE only the head counts.
local function waiting_in_group(line, group, last)
  local head = call('HGET', P .. 'group:head:' .. line, group)
  local blocked = call('ZLEXCOUNT', P .. 'group:wait:' .. line, '[' .. group .. ' ', '(' .. group .. ' ' .. last .. '!')
  return blocked + (head and head <= last and 1 or 0)
end

-- free returns how many new tasks with the queue, priority and group of g could start now under the limits of pool, queue
-- and group, and what limits them: "pool", "queue NAME" or "group NAME", or that it is paused. It counts running tasks, and
-- the waiting tasks that are ahead in the line of g. It does not consider the slots of replicas.
function Places.free(g)
  local queue, line, last = g.queue, g.line or g.queue, Record.score_of(g.priority, Record.STEP - 1)
  local room, by_pool = Settings.room(queue)
  local s = Settings.of(queue)
  if s.paused then return 0, 'queue ' .. queue .. ' is paused' end
  local free = room - call('ZCOUNT', P .. 'wait:' .. line, '-inf', last)
  local what = (by_pool or not s.limit) and 'pool' or 'queue ' .. queue
  local limit = g.group ~= '' and Queue.group_limit(g.group) or math.huge
  if limit < math.huge then
    local left = limit - call('SCARD', P .. 'group:run:' .. g.group) - waiting_in_group(line, g.group, last)
    if left < free then free, what = left, 'group ' .. g.group end
  end
  return free, what
end
