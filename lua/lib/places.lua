-- uses: aging base queue rate record settings
-- The places that the limits leave, for tasks that are refused if they would have to wait (on_limit).

-- waiting_in_group returns how many waiting tasks of a group are ahead of a position in a line. Of the group's tasks in
-- wait:LINE only the head counts.
local function waiting_in_group(line, group, last)
  local head = call('HGET', P .. 'group:head:' .. line, group)
  local blocked = call('ZLEXCOUNT', P .. 'group:wait:' .. line, '[' .. group .. ' ', '(' .. group .. ' ' .. last .. '!')
  return blocked + (head and head <= last and 1 or 0)
end

-- free returns how many new tasks with the queue, priority and group of g could start now under the limits of pool, queue
-- and group, and what limits them: "pool", "queue NAME", "group NAME" or one of these with its rate, or that it is paused.
-- It counts running tasks, tokens, and the waiting tasks that are ahead in the line of g. It does not consider the slots of
-- replicas.
function Places.free(g)
  local queue, line, last = g.queue, g.line or g.queue, Aging.last(g.queue, g.priority)
  local room, by = Settings.room(queue)
  local s = Settings.of(queue)
  if s.paused then return 0, 'queue ' .. queue .. ' is paused' end
  local free = room - call('ZCOUNT', P .. 'wait:' .. line, '-inf', last)
  local what = (by == true or not s.limit) and 'pool' or 'queue ' .. queue
  if s.rate and by ~= true and Rate.free(Rate.queue_key(queue), s.rate) == room then what = 'rate of queue ' .. queue end
  local limit = g.group ~= '' and Queue.group_limit(g.group) or math.huge
  if limit < math.huge then
    local left = limit - call('SCARD', P .. 'group:run:' .. g.group) - waiting_in_group(line, g.group, last)
    if left < free then free, what = left, 'group ' .. g.group end
  end
  local rate = g.group ~= '' and Queue.group_rate(g.group)
  if rate then
    local left = Rate.free(Rate.group_key(g.group), rate) - waiting_in_group(line, g.group, last)
    if left < free then free, what = left, 'rate of group ' .. g.group end
  end
  return free, what
end
