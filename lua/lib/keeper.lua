-- uses: base rate
-- The timekeeper: the one replica that comes when the first timer of a rate is due (see rate.lua).
--
-- timekeeper in meta is "REPLICA AT": the next exchange of the replica comes at AT. Other replicas do not get the time. If
-- the timekeeper is late, the next exchange of another replica or the maintenance handles the timers in its place.

-- LATE is for how many ms after a timer was due only the timekeeper comes for it.
Keeper.LATE = 1000

-- of returns the timekeeper, and whether it comes for a timer that is due at a time.
function Keeper.of(at)
  local keeper, comes = string.match(call('HGET', META, 'timekeeper') or '', '^(%S+) (%d+)$')
  comes = number(comes)
  return keeper, comes and comes <= at and comes > NOW - Keeper.LATE
end

function Keeper.set(replica, at) call('HSET', META, 'timekeeper', replica .. ' ' .. whole(at)) end

-- forget lets another replica be the timekeeper in place of one that no longer claims tasks.
function Keeper.forget(replica)
  if Keeper.of(0) ~= replica then return false end
  call('HDEL', META, 'timekeeper')
  return true
end

-- note stores what alone blocks a queue: see Settings.room.
function Keeper.note(queue, by)
  if by == true then call('SADD', P .. 'held', queue) else Rate.hold('q ' .. queue, by) end
end

-- assign makes a replica the timekeeper if none comes for the first timer: the caller, if it can claim tasks, or an idle one
-- that serves a queue in which tasks wait. wake is the part Wake, which uses this one.
function Keeper.assign(wake)
  freed.timer = nil
  local first = call('ZRANGE', Rate.TIMERS, 0, 0, 'WITHSCORES')
  if not first[1] or select(2, Keeper.of(tonumber(first[2]))) then return end
  local keeper, kind, name = wake.caller, string.match(first[1], '^(%l) (.*)$')
  local queue = kind == 'q' and name or call('SMEMBERS', P .. 'group:queues:' .. (name or ''))[1]
  queue = queue and string.match(queue, '^[^#]+') .. '#' -- of a line: see line.lua
  for _, class in ipairs(not keeper and queue and wake.classes(queue) or {}) do
    keeper = keeper or wake.signal_idle(class, NOW, 'due')
  end
  if keeper then Keeper.set(keeper, tonumber(first[2])) end
end
