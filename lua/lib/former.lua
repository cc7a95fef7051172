-- uses: base
-- Former replicas: where replicas ran that have left or were removed from the list. "former" has the field runs_on of their
-- records, by replica, and "former:left" when they left. The history of a task names replicas that have gone long ago. The
-- functions ignore errors: a key of another type must not keep a replica from leaving.

local FORMER, LEFT = P .. 'former', P .. 'former:left'
-- KEPT is how long a former replica is kept, in ms, MOST how many are. Tasks that
-- failed are kept for 7 days by default.
local KEPT, MOST, PAGE = 30 * 86400000, 10000, 100

local function remove(replicas)
  if #replicas == 0 then return end
  redis.pcall('HDEL', FORMER, unpack(replicas))
  redis.pcall('ZREM', LEFT, unpack(replicas))
end

-- add adds a replica. runs_on is the field of its record, nil or false for none.
function Former.add(replica, runs_on)
  if not runs_on then return end
  redis.pcall('HSET', FORMER, replica, runs_on)
  redis.pcall('ZADD', LEFT, NOW_TEXT, replica)
end

-- trim removes up to 100 replicas that left too long ago, and up to 100 beyond the number that is kept.
function Former.trim()
  local old = redis.pcall('ZRANGEBYSCORE', LEFT, '-inf', whole(NOW - KEPT), 'LIMIT', 0, PAGE)
  if old.err then return end
  remove(old)
  local beyond = redis.pcall('ZCARD', LEFT) - MOST
  if beyond > 0 then remove(redis.pcall('ZRANGE', LEFT, 0, math.min(beyond, PAGE) - 1)) end
end
