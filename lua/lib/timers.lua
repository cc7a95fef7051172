-- uses: base keeper queue rate settings wake
-- Timers of queues and groups that wait for a token of their rate: see rate.lua.

-- offer makes a queue claimable. If a replica of the class taker, which has a free slot, will learn of the queue from the
-- answer to its call, no other one is signalled.
local function offer(queue, taker)
  if string.find(queue, '#', 1, true) or Settings.of(queue).lines then
    claimable[queue] = true
    return
  end
  local classes = Wake.classes(queue)
  local serves = false
  for _, class in ipairs(classes) do serves = serves or class == taker end
  if not serves or call('ZCARD', P .. 'wait:' .. queue) == 0 or Settings.room(queue) <= 0 then
    claimable[queue] = true
    return
  end
  for _, class in ipairs(classes) do call('ZADD', P .. 'ready:' .. class, 'NX', NOW_TEXT, queue) end
end

-- fire handles up to most timers that are due: what waited can be claimed again.
function Timers.fire(most, taker)
  local due = call('ZRANGEBYSCORE', Rate.TIMERS, '-inf', NOW_TEXT, 'LIMIT', 0, most)
  if #due == 0 then return end
  call('ZREM', Rate.TIMERS, unpack(due))
  local queues = {}
  for _, member in ipairs(due) do
    local kind, name = string.match(member, '^(%l) (%S+)$')
    if kind == 'q' then queues[name] = true
    elseif kind == 'g' then
      for _, queue in ipairs(Queue.unblock(name)) do queues[queue] = true end
    end
  end
  for queue in pairs(queues) do
    claimable[queue] = nil
    offer(queue, taker)
  end
end

-- first_at returns when the first timer is due, nil if there is none.
local function first_at()
  return tonumber(call('ZRANGE', Rate.TIMERS, 0, 0, 'WITHSCORES')[2] or nil)
end

-- late_in returns how many ms remain until the first timer is late, 0 if there is none.
function Timers.late_in()
  local at = first_at()
  return at and math.max(at + Keeper.LATE - NOW, 1) or 0
end

-- next_in returns in how many ms a replica has to make its next exchange: next, 0 for never, or earlier if the replica keeps
-- the time. It becomes the timekeeper if it can claim tasks and there is none. If it can no longer claim, another one does.
function Timers.next_in(replica, can_claim, next)
  local at = first_at()
  if not at then return next end
  if not can_claim then
    if Keeper.forget(replica) then Keeper.assign(Wake) end
    return next
  end
  local keeper, on_time = Keeper.of(at)
  if on_time and keeper ~= replica then return next end
  Keeper.set(replica, at)
  local mine = math.max(at - NOW, 1)
  return next > 0 and math.min(next, mine) or mine
end

-- time_of returns when the next token returns for a timer's queue or group, nil if there is one or no rate.
function Timers.time_of(member)
  local kind, name = string.match(member, '^(%l) (%S+)$')
  local at
  if kind == 'q' then
    local rate = Settings.of(name).rate
    if rate then at = select(2, Rate.free(Rate.queue_key(name), rate)) end
  elseif kind == 'g' then
    local rate = Queue.group_rate(name)
    if rate then at = select(2, Rate.free(Rate.group_key(name), rate)) end
  end
  return at
end

-- shorten corrects a page of the timers that are due too late, because the clock was set back. It returns the next cursor,
-- '0' at the end.
function Timers.shorten(cursor)
  local got = call('ZSCAN', Rate.TIMERS, cursor, 'COUNT', 200)
  for i = 1, #got[2], 2 do
    local at = Timers.time_of(got[2][i]) or NOW
    if tonumber(got[2][i + 1]) > at then call('ZADD', Rate.TIMERS, whole(at), got[2][i]) end
  end
  Rate.write()
  return got[1]
end
