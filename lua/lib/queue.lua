-- uses: base line queues rate
-- Positions in a queue, and the groups in it. In this part, queue is a line: see line.lua.
--
-- A group with a limit or a rate has only its first task, the head, in wait:QUEUE. Its other tasks are blocked in
-- group:wait:QUEUE. All scores there are 0, so the members "GROUP SCORE ID" sort by group, then by position.
-- group:head:QUEUE has the score of each group's head: a new task with a higher score is blocked at once. group:queues:GROUP
-- has the queues where tasks of the group are blocked. When an attempt leaves group:run:GROUP, or a token of the group's
-- rate returns, the next head moves to wait:QUEUE. A claim therefore never meets the blocked tasks of a full group.

local limits, rates = {}, {}
function Queue.group_limit(group)
  local limit = limits[group]
  if limit == nil then
    local s = call('HMGET', META, 'limit:group:' .. group, 'limit:group', 'rate:group:' .. group, 'rate:group')
    limit = tonumber(s[1] or s[2] or nil) or math.huge -- s[1] is 'none' if the group is exempt, and so is s[3]
    limits[group] = limit
    local rate = s[3] or s[4]
    rates[group] = rate and Rate.parse(rate)
  end
  return limit
end

-- group_rate returns the rate of a group, nil for none.
function Queue.group_rate(group)
  Queue.group_limit(group)
  return rates[group] or nil
end

-- group_full reports whether no more tasks of the group may start now. If only its rate blocks them, it also returns when
-- the next token returns.
function Queue.group_full(group)
  local limit = Queue.group_limit(group)
  if limit < math.huge and call('SCARD', P .. 'group:run:' .. group) >= limit then return true end
  local rate = rates[group]
  if not rate then return false end
  local tokens, at = Rate.free(Rate.group_key(group), rate)
  return tokens < 1, at
end

-- holds is group_full for a group of which a task waits. It sets a timer if the task waits for a token.
function Queue.holds(group)
  local full, at = Queue.group_full(group)
  if at then Rate.hold('g ' .. group, at) end
  return full
end

-- start adds a task to the running tasks of its group and uses a token of the group's rate. It returns whether the group has
-- a rate.
function Queue.start(group, id)
  call('SADD', P .. 'group:run:' .. group, id)
  local rate = Queue.group_rate(group)
  if rate then Rate.take(Rate.group_key(group), rate, 1) end
  return rate
end

function Queue.blocked_member(group, score, id) return group .. ' ' .. score .. ' ' .. id end

function Queue.block(queue, group, score, id)
  call('ZADD', P .. 'group:wait:' .. queue, 0, Queue.blocked_member(group, score, id))
  call('SADD', P .. 'group:queues:' .. group, queue)
  Line.add(queue, { score, id })
end

-- insert puts a waiting task into its queue, or blocks it behind its group's head. Scores are texts of 16 digits, so that
-- they sort like the numbers. Tasks for wait:QUEUE are collected until write.
local inserts = {}
function Queue.insert(queue, group, score, id)
  Queues.list((Line.split(queue)))
  if group and (Queue.group_limit(group) < math.huge or rates[group]) then
    local head = call('HGET', P .. 'group:head:' .. queue, group)
    if head and head <= score or Queue.holds(group) then return Queue.block(queue, group, score, id) end
    call('HSET', P .. 'group:head:' .. queue, group, score)
  end
  local list = inserts[queue]
  if not list then
    list = {}
    inserts[queue] = list
  end
  list[#list + 1] = score
  list[#list + 1] = id
end

function Queue.write()
  for queue, list in pairs(inserts) do
    in_parts(2000, list, 'ZADD', P .. 'wait:' .. queue)
    Line.add(queue, list)
  end
  inserts = {}
end

-- first_blocked returns the member of the group's first blocked task in a queue, nil if there is none.
function Queue.first_blocked(queue, group)
  return call('ZRANGEBYLEX', P .. 'group:wait:' .. queue, '[' .. group .. ' ', '(' .. group .. '!', 'LIMIT', 0, 1)[1]
end

-- next_head makes the group's first blocked task the head and returns its id and score; the caller puts it into the queue.
-- If the group has a head (its score), next_head takes only a task with a lower score: such a task was blocked while the
-- group was full. It returns nil if there is none.
function Queue.next_head(queue, group, head)
  local first = Queue.first_blocked(queue, group)
  if not first then
    if not head then call('HDEL', P .. 'group:head:' .. queue, group) end
    call('SREM', P .. 'group:queues:' .. group, queue)
    return nil
  end
  local score = string.sub(first, #group + 2, #group + 17)
  if head and head <= score then return nil end
  call('ZREM', P .. 'group:wait:' .. queue, first)
  call('HSET', P .. 'group:head:' .. queue, group, score)
  return string.sub(first, #group + 19), score
end

-- unblock moves the group's first blocked task in each queue to that queue, if the group has room. It returns the queues.
function Queue.unblock(group)
  local queues = call('SMEMBERS', P .. 'group:queues:' .. group)
  if #queues == 0 or Queue.holds(group) then return {} end
  for _, queue in ipairs(queues) do
    local id, score = Queue.next_head(queue, group, call('HGET', P .. 'group:head:' .. queue, group))
    if id then call('ZADD', P .. 'wait:' .. queue, score, id) end
    claimable[queue] = true
  end
  return queues
end

-- remove removes a waiting task from its queue.
function Queue.remove(queue, group, score, id)
  if Line.drop(queue, { id }) then claimable[queue] = true end -- the line may be empty now
  if call('ZREM', P .. 'wait:' .. queue, id) == 0 then
    if group and call('ZREM', P .. 'group:wait:' .. queue, Queue.blocked_member(group, score, id)) == 1
      and not Queue.first_blocked(queue, group) then
      call('SREM', P .. 'group:queues:' .. group, queue)
    end
    return
  end
  if group and call('HGET', P .. 'group:head:' .. queue, group) == score then
    call('HDEL', P .. 'group:head:' .. queue, group)
    Queue.unblock(group)
  end
end
