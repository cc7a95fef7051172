-- inbox: turns the entries that peek showed into tasks or rejects, and takes them out of the inbox in the same step.
--
-- KEYS  prefix, meta
-- ARGV  lane, call, number of entries from inbox:open, number of entries, most entries of the reject stream, then per
--       entry: the entry, reason for rejecting it ('' for none), and unless rejected: where its payload begins and ends in
--       the entry, and what admit reads: id, kind, queue, priority, number of further strings, those strings
-- Returns the number of entries that are left, or -1 if the inbox has changed since: peek again.
-- Keeps: an entry is admitted exactly once, whoever read it and whoever died in between. A call that is repeated after
-- its reply was lost does nothing: the entries that follow may be the same text, and would be taken for duplicates.
-- uses: base wake line admit reject
local lane, number, from_open, n = P .. 'call:' .. ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local seen, left = string.match(call('GET', lane) or '', '^(%d+) (%d+)$')
if seen == number then return tonumber(left) end
if seen and tonumber(seen) > tonumber(number) then return -1 end

local starts = {}
local i = 6
for task = 1, n do
  starts[task] = i
  i = i + (ARGV[i + 1] == '' and 9 + ARGV[i + 8] or 2)
end
local function unchanged(list, first, last)
  local entries = call('LRANGE', list, 0, last - first)
  for task = first, last do
    if entries[task - first + 1] ~= ARGV[starts[task]] then return false end
  end
  return true
end
if from_open > 0 and not unchanged(P .. 'inbox:open', 1, from_open) then return -1 end
if n > from_open and not unchanged(P .. 'inbox', from_open + 1, n) then return -1 end

-- What leaves the inbox must become a task: a key of another type has to stop this call before that.
local types = { stats = 'hash', scheduled = 'zset', expiring = 'zset', ['inbox:rejected'] = 'stream' }
for _, q in ipairs(queues()) do types['running:' .. q] = 'zset' end
for task = 1, n do
  local at = starts[task]
  if ARGV[at + 1] == '' then
    local q = ARGV[at + 6]
    types['wait:' .. q], types['group:wait:' .. q], types['group:head:' .. q] = 'zset', 'zset', 'hash'
    types['running:' .. q], types['wake:' .. q] = 'zset', 'list'
    local group = ARGV[at + 8] ~= '0' and ARGV[at + 9] or ''
    if group ~= '' then types['group:run:' .. group] = 'set' end
  end
end
for name, kind in pairs(types) do
  local is = call('TYPE', P .. name)
  is = is.ok or is
  if is ~= 'none' and is ~= kind then
    return redis.error_reply('WRONGTYPE ' .. P .. name .. ' is a ' .. is .. ', not a ' .. kind)
  end
end
call('HEXISTS', META, 'seq')

call('LTRIM', P .. 'inbox:open', from_open, -1)
call('LTRIM', P .. 'inbox', n - from_open, -1)
local sequence = call('HINCRBY', META, 'seq', n) - n
for task = 1, n do
  local at = starts[task]
  local entry, code, reason, taken = ARGV[at], 'invalid', ARGV[at + 1]
  if reason == '' then
    local first, last = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local why, id, state = admit(at + 4, string.sub(entry, first, last), sequence + task)
    if why == 'dup' then code, reason, taken = 'duplicate', 'duplicate of task ' .. id .. ', which is ' .. state, id end
    if why == 'full' then code, reason = 'queue_full', 'queue is full' end
  end
  if reason ~= '' then reject(entry, ARGV[5], code, reason, taken) end
end
settle()
left = call('LLEN', P .. 'inbox:open') + call('LLEN', P .. 'inbox')
call('SET', lane, number .. ' ' .. left, 'PX', 600000)
return left
