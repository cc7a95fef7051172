-- The beginning of every script: the keys, the time, and helpers for numbers and lists.

-- whole returns a whole number as text without an exponent. Redis formats a number argument of a command as a float. That
-- takes longer than a look-up in this cache. "%.0f" takes longer than formatting two parts that each fit into 32 bits. The
-- keys of the cache are negative, because some Lua implementations store positive ones as an array.
local texts = {}
local function whole(n)
  local text = texts[-n]
  if not text then
    local high = math.floor(n / 1e8)
    text = high > 0 and string.format('%d%08d', high, n - high * 1e8) or string.format('%d', n)
    texts[-n] = text
  end
  return text
end

-- number returns the value of a text that is a whole number of at most 16 digits, nil for any other text, such as "nan".
local function number(text)
  return text and string.find(text, '^%d+$') and #text <= 16 and tonumber(text) or nil
end

-- fields turns the flat reply of HGETALL into a table.
local function fields(flat)
  local m = {}
  for i = 1, #flat, 2 do m[flat[i]] = flat[i + 1] end
  return m
end

-- split returns a list of the words of a text.
local function split(text)
  local words = {}
  for word in string.gmatch(text, '%S+') do words[#words + 1] = word end
  return words
end

-- The keys and the time. Lua creates a function faster if the variables that it uses were defined last. These are used
-- most.
--
-- KEYS[1] is the prefix of the pool's keys, "lts:{POOL}:". No key may have exactly that name: while a cluster moves the
-- pool's slot, it refuses a script that has an existing and a missing key (TRYAGAIN). It does so before the script runs, so
-- no script stops half-way at a key that was moved.
-- KEYS[2] is the hash of settings.
local P, META = KEYS[1], KEYS[2]
local call = redis.call

local clock = call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)
local NOW_TEXT = whole(NOW)

-- Changes of this call for which replicas are signalled (see wake.lua): queues that have become claimable, scheduled tasks
-- with their queues, whether a slot of the pool's own limit has become free, and whether a timer was set (see rate.lua).
-- freed.empty has the parents that this call has begun and that get no children, nil for none.
local claimable, scheduled, freed = {}, {}, { pool = false }

-- in_parts calls a command with a list of arguments, n at a time, because unpack takes about 8,000 at most. key is the first
-- argument of each call, nil for none.
local function in_parts(n, list, command, key)
  for i = 1, #list, n do
    local last = math.min(i + n - 1, #list)
    if key then call(command, key, unpack(list, i, last)) else call(command, unpack(list, i, last)) end
  end
end

-- run_when_full lets a script run when Redis is full. Redis then refuses a script if its first write may need memory, but
-- stops no script after its first write. The first write of these scripts, PERSIST, needs none. Scripts that end, renew or
-- start attempts call it, so that the pool drains. Scripts that make tasks do not, so that new tasks are refused.
local function run_when_full() call('PERSIST', META) end
