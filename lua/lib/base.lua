-- What every script starts from.
--
-- KEYS[1] is the prefix of the pool's keys, "lts:{POOL}:". A key of exactly that name never exists, on purpose: while a
-- cluster moves the pool's slot, a script with an existing and a missing key is refused before it runs (TRYAGAIN), so it
-- can never break half-way through at a key that has moved already.
-- KEYS[2] is the hash of limits, pauses and the sequence.
local P, META = KEYS[1], KEYS[2]
local call = redis.call

local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- A stream of another type would stop a script after its first writes; this stops it before.
local EVENTS = P .. 'events'
local EVENT_COUNT = call('XLEN', EVENTS)

local function task_key(id) return P .. 'task:' .. id end

-- whole writes a number without an exponent: scores have up to sixteen digits. Lua would write it as a float each time it
-- is given to a command, which costs far more, so what a batch writes often (times, versions) goes through here, once.
local written = {}
local function whole(n)
  local text = written[n]
  if not text then
    text = string.format('%d', tonumber(n))
    written[n] = text
  end
  return text
end
local NOW_TEXT = whole(NOW)

-- fields turns the flat reply of HGETALL into a table.
local function fields(flat)
  local m = {}
  for i = 1, #flat, 2 do m[flat[i]] = flat[i + 1] end
  return m
end

-- event appends one change of state to the callback stream; further fields and values follow.
local function event(id, m, state, v, ...)
  call('XADD', EVENTS, '*', 'id', id, 'kind', m.kind, 'queue', m.queue or 'default',
    'state', state, 'v', whole(v), 'at', NOW_TEXT, ...)
end

-- count adds to the totals that stats reports, moved to what comes and goes in a queue ('in', 'out') within five seconds;
-- flush_totals writes them, once per call. Rates are worth no failure, so nobody cares whether theirs can be written.
local totals, moves = {}, {}
local function count(name, n) totals[name] = (totals[name] or 0) + (n or 1) end
local function moved(way, queue)
  local field = way .. ':' .. (queue or 'default')
  moves[field] = (moves[field] or 0) + 1
end
local function flush_totals()
  for name, n in pairs(totals) do call('HINCRBY', P .. 'stats', name, n) end
  local load = P .. 'load:' .. math.floor(NOW / 5000)
  for field, n in pairs(moves) do
    if redis.pcall('HINCRBY', load, field, n) == n then redis.pcall('PEXPIRE', load, 90000) end
  end
end
