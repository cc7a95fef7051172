-- What every script starts from: the keys, the time, and numbers as text.
--
-- KEYS[1] is the prefix of the pool's keys, "lts:{POOL}:". A key of exactly that name never exists, on purpose: while a
-- cluster moves the pool's slot, a script with an existing and a missing key is refused before it runs (TRYAGAIN), so it
-- can never stop half-way at a key that has moved already.
-- KEYS[2] is the hash of settings.
local P, META = KEYS[1], KEYS[2]
local call = redis.call

local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- whole writes a whole number without an exponent. Redis formats a Lua number that is passed to a command as a float, which
-- costs more than a look-up here, and "%.0f" costs more than two parts that each fit into 32 bits. The keys are negative
-- because some Lua machines make an array of positive ones.
local written = {}
local function whole(n)
  local text = written[-n]
  if not text then
    local high = math.floor(n / 1e8)
    text = high > 0 and string.format('%d%08d', high, n - high * 1e8) or string.format('%d', n)
    written[-n] = text
  end
  return text
end
local NOW_TEXT = whole(NOW)

-- number is a text as a whole number that Lua holds exactly; nil for any other text, such as "nan".
local function number(text)
  return text and string.find(text, '^%d+$') and #text <= 16 and tonumber(text) or nil
end

-- fields turns the flat reply of HGETALL into a table.
local function fields(flat)
  local m = {}
  for i = 1, #flat, 2 do m[flat[i]] = flat[i + 1] end
  return m
end

-- split returns the words of a text.
local function split(text)
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  return words
end

-- What this call made claimable (queues) and scheduled (queues by id), and whether a slot of the pool's own limit became
-- free: see wake.lua.
local claimable, scheduled, freed = {}, {}, { pool = false }

-- in_parts calls a command on a key (nil: without one) with a long list of arguments, n at a time: unpack takes about
-- 8,000.
local function in_parts(n, list, command, key)
  for i = 1, #list, n do
    local last = math.min(i + n - 1, #list)
    if key then call(command, key, unpack(list, i, last)) else call(command, unpack(list, i, last)) end
  end
end

-- run_when_full lets a script run on a full Redis, which refuses a script whose first write may grow something but does not
-- stop one that has already written. Scripts that end work, keep it alive or start what waits begin with it: its write grows
-- nothing. New tasks are refused, and the pool drains.
local function run_when_full() call('PERSIST', META) end
