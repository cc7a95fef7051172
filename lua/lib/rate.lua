-- uses: base
-- Rates: how many tasks of a queue or of a group may start per time. Each start uses a token.
--
-- The rate "N/UNIT burst B" has at most B tokens and gets N of them back per unit (s, m or h). This is GCRA, with the
-- number of missing tokens in place of the theoretical arrival time. rate:QUEUE and group:rate:GROUP are "AT USED PARTS"
-- while tokens are missing: at the time AT, USED parts were missing, and a token has PARTS parts. A token has as many parts
-- as its unit has ms, so that N parts return per ms: all numbers are whole, and no error of rounding adds up. USED is at
-- most B tokens. After the clock was set back, AT may be in the future: it becomes the present time at the next write, so
-- that the next token returns in time. The keys expire when no token is missing.
--
-- timers has what waits for its next token, and when that returns: "q QUEUE" for a queue, "g GROUP" for a group.

Rate.TIMERS = P .. 'timers'
local UNITS = { s = 1000, m = 60000, h = 3600000 }

function Rate.queue_key(queue) return P .. 'rate:' .. queue end
function Rate.group_key(group) return P .. 'group:rate:' .. group end

-- parse reads a rate. It returns nil for any other text, such as 'none'.
local parsed = {}
function Rate.parse(text)
  local rate = parsed[text]
  if rate == nil then
    local n, unit, burst = string.match(text, '^(%d+)/([smh]) burst (%d+)$')
    n, burst = number(n), number(burst)
    rate = n and burst and n > 0 and burst > 0 and { n = n, parts = UNITS[unit], burst = burst } or false
    parsed[text] = rate
  end
  return rate or nil
end

-- used returns how many parts of tokens are missing now. It reads a key once per call of the script.
local states, unwritten = {}, {}
local function used(key, rate)
  local parts = states[key]
  if parts then return parts end
  local text = redis.pcall('GET', key)
  local at, missing, of = string.match(type(text) == 'string' and text or '', '^(%d+) (%d+) (%d+)$')
  parts = 0
  if at then
    parts = tonumber(missing)
    if tonumber(of) ~= rate.parts then parts = math.ceil(parts * rate.parts / tonumber(of)) end -- the rate has changed
    parts = math.max(parts - math.max(NOW - tonumber(at), 0) * rate.n, 0)
    parts = math.min(parts, rate.burst * rate.parts)
    if tonumber(at) > NOW then unwritten[key] = rate end
  end
  states[key] = parts
  return parts
end

-- free returns the number of tokens, and if there are none the time when the next one returns.
function Rate.free(key, rate)
  local missing = used(key, rate)
  local tokens = math.floor((rate.burst * rate.parts - missing) / rate.parts)
  if tokens > 0 then return tokens, nil end
  return 0, NOW + math.max(math.ceil((missing - (rate.burst - 1) * rate.parts) / rate.n), 1)
end

-- take uses k tokens. The caller has checked that they are there. write stores what is missing then.
function Rate.take(key, rate, k)
  states[key] = used(key, rate) + k * rate.parts
  unwritten[key] = rate
end

function Rate.write()
  for key, rate in pairs(unwritten) do
    call('SET', key, NOW_TEXT .. ' ' .. whole(states[key]) .. ' ' .. whole(rate.parts),
      'PX', whole(math.ceil(states[key] / rate.n) + 1000))
    unwritten[key] = nil
  end
end

-- hold stores when the next token returns for which tasks of a queue or a group wait.
function Rate.hold(member, at)
  Rate.write()
  local have = tonumber(call('ZSCORE', Rate.TIMERS, member) or nil)
  if have and have <= at then return end
  call('ZADD', Rate.TIMERS, whole(at), member)
  freed.timer = true
end
