-- The waiting line of a queue, and the groups in it.
--
-- A task of a limited group stands in the line only as its group's head: the others wait in group:wait:QUEUE, where all
-- scores are 0 and the members "GROUP SCORE ID" sort by group, then by place. group:head:QUEUE remembers the score of a
-- group's head, so that a newcomer with a worse one is parked at once. A full group therefore costs a claim nothing: its
-- next head comes to the line when a member leaves group:run:GROUP.

local limits = {}
local function group_limit(group)
  local limit = limits[group]
  if limit == nil then
    local s = call('HMGET', META, 'limit:group:' .. group, 'limit:group')
    limit = tonumber(s[1] or s[2] or nil) or math.huge
    limits[group] = limit
  end
  return limit
end

local function group_full(group)
  local limit = group_limit(group)
  return limit < math.huge and call('SCARD', P .. 'group:run:' .. group) >= limit
end

local function parked(group, score, id)
  return group .. ' ' .. string.format('%016.0f', tonumber(score)) .. ' ' .. id
end

local function park(queue, group, score, id)
  call('ZADD', P .. 'group:wait:' .. queue, 0, parked(group, score, id))
end

-- place puts a waiting task into its queue's line, or behind its group's head. Its queue may have been forgotten while the
-- task was scheduled or had ended. It is in the middle of a step, which the list of queues must not stop: the doctor lists
-- what is not on it.
local listed = {}
local function place(queue, group, score, id)
  if not listed[queue] then
    redis.pcall('SADD', P .. 'queues', queue)
    listed[queue] = true
  end
  if group then
    if group_limit(group) < math.huge then
      local head = call('HGET', P .. 'group:head:' .. queue, group)
      if (head and tonumber(head) <= score) or group_full(group) then
        return park(queue, group, score, id)
      end
      call('HSET', P .. 'group:head:' .. queue, group, whole(score))
    end
  end
  call('ZADD', P .. 'wait:' .. queue, whole(score), id)
end

-- next_head takes the best parked task of the group and makes it the head; the caller puts it into the line. Beside a
-- head that stands there already it takes only a better one: while the group was full, such a task had to be parked.
local function next_head(queue, group, head)
  local first = call('ZRANGEBYLEX', P .. 'group:wait:' .. queue, '[' .. group .. ' ', '(' .. group .. '!',
    'LIMIT', 0, 1)[1]
  if not first then
    if not head then call('HDEL', P .. 'group:head:' .. queue, group) end
    return nil
  end
  local score = string.sub(first, #group + 2, #group + 17)
  if head and tonumber(head) <= tonumber(score) then return nil end
  call('ZREM', P .. 'group:wait:' .. queue, first)
  call('HSET', P .. 'group:head:' .. queue, group, whole(score))
  return string.sub(first, #group + 19), tonumber(score)
end

-- open brings the group's best to the line of every queue where it does not stand there yet, if the group has room.
local function open(group)
  if group_full(group) then return end
  for _, q in ipairs(queues()) do
    local id, score = next_head(q, group, call('HGET', P .. 'group:head:' .. q, group))
    if id then call('ZADD', P .. 'wait:' .. q, whole(score), id) end
    freed[q] = true
  end
end

-- displace takes a waiting task out of its line.
local function displace(queue, group, score, id)
  if call('ZREM', P .. 'wait:' .. queue, id) == 0 then
    if group then call('ZREM', P .. 'group:wait:' .. queue, parked(group, score, id)) end
    return
  end
  if group and call('HGET', P .. 'group:head:' .. queue, group) == whole(score) then
    call('HDEL', P .. 'group:head:' .. queue, group)
    open(group)
  end
end

-- mend_heads repairs the heads whose scores are keys of gone: their tasks left the line without a trace, because somebody
-- deleted their bodies.
local function mend_heads(queue, gone)
  if not next(gone) then return end
  for group, score in pairs(fields(call('HGETALL', P .. 'group:head:' .. queue))) do
    if gone[score] then
      call('HDEL', P .. 'group:head:' .. queue, group)
      open(group)
    end
  end
end

-- score_of is a place in line: strict priority, first in first out inside one. Exact below 2^53.
local function score_of(priority, sequence) return (127 - priority) * 35184372088832 + sequence end
