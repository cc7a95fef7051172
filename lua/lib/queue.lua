-- uses: base queues
-- Positions in a queue, and the groups in it.
--
-- A task of a limited group is in wait:QUEUE only as its group's head: the others are blocked in group:wait:QUEUE, where
-- all scores are 0 and the members "GROUP SCORE ID" sort by group, then by position. group:head:QUEUE has the score of a
-- group's head, so that a newcomer with a worse one is blocked at once. group:queues:GROUP are the queues where tasks of the
-- group are blocked. A full group therefore costs a claim nothing: its next head is moved to wait:QUEUE when a member
-- leaves group:run:GROUP.

local limits = {}
function Queue.group_limit(group)
  local limit = limits[group]
  if limit == nil then
    local s = call('HMGET', META, 'limit:group:' .. group, 'limit:group')
    limit = tonumber(s[1] or s[2] or nil) or math.huge
    limits[group] = limit
  end
  return limit
end

function Queue.group_full(group)
  local limit = Queue.group_limit(group)
  return limit < math.huge and call('SCARD', P .. 'group:run:' .. group) >= limit
end

function Queue.blocked_member(group, score, id) return group .. ' ' .. score .. ' ' .. id end

function Queue.block(queue, group, score, id)
  call('ZADD', P .. 'group:wait:' .. queue, 0, Queue.blocked_member(group, score, id))
  call('SADD', P .. 'group:queues:' .. group, queue)
end

-- place puts a waiting task into its queue, or behind its group's head. Scores are texts of 16 digits, whose order is that
-- of the numbers. Tasks without a limited group are collected; write writes them.
local inserts = {}
function Queue.insert(queue, group, score, id)
  Queues.list(queue)
  if group and Queue.group_limit(group) < math.huge then
    local head = call('HGET', P .. 'group:head:' .. queue, group)
    if head and head <= score or Queue.group_full(group) then return Queue.block(queue, group, score, id) end
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
  for queue, list in pairs(inserts) do in_parts(2000, list, 'ZADD', P .. 'wait:' .. queue) end
  inserts = {}
end

-- first_parked is the member of the group's best blocked task in a queue, nil if there is none.
function Queue.first_blocked(queue, group)
  return call('ZRANGEBYLEX', P .. 'group:wait:' .. queue, '[' .. group .. ' ', '(' .. group .. '!', 'LIMIT', 0, 1)[1]
end

-- next_head takes the best blocked task of the group and makes it the head; the caller puts it into the queue. Beside a
-- head that is there already it takes only a better one: while the group was full, such a task had to be blocked.
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

-- open moves the group's best to every queue where tasks of it are blocked, if the group has room.
function Queue.unblock(group)
  if Queue.group_full(group) then return end
  for _, queue in ipairs(call('SMEMBERS', P .. 'group:queues:' .. group)) do
    local id, score = Queue.next_head(queue, group, call('HGET', P .. 'group:head:' .. queue, group))
    if id then call('ZADD', P .. 'wait:' .. queue, score, id) end
    claimable[queue] = true
  end
end

-- displace takes a waiting task out of its queue.
function Queue.remove(queue, group, score, id)
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
