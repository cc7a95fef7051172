-- check: walks the pool's keys some way on and tells, or mends, what an accident or a foreign hand has left there.
--
-- KEYS  prefix, meta
-- ARGV  look or mend, how much to look at, place to go on from, pause ms
--       (the place is what the last call returned, empty for the start, shared for the walk that all replicas share,
--       which starts again a pause after its last end)
-- Returns {place to go on from or '' at the end, ms until the shared walk starts again or 0, entries looked at, then per
-- finding: code, key without the prefix, task or member, detail, what was done or ''}.
-- Keeps: an entry is looked at, judged and mended in this one step, so nothing between two states is ever seen.
-- uses: base full wake line policy task finish tell settings judge entry
local left, from, shared = tonumber(ARGV[2]), ARGV[3], ARGV[3] == 'shared'
if shared then
  from = call('HGET', META, 'check') or ''
  local again = tonumber(string.match(from, '^after (%d+)$') or nil)
  if again and again > NOW then return { '', again - NOW, 0 } end
  if again then from = '' end
end

if from == '' then judge_meta() end

local looked, pending = 0, {}
local outer = from == '' and '0' or string.match(from, '^%S+')
for name, cursor in string.gmatch(string.sub(from, #outer + 1), ' (%S+) (%S+)') do
  pending[#pending + 1] = { name, cursor }
end

local function try(name, judge_one, ...)
  looked, left = looked + 1, left - 1
  local ok, err = pcall(judge_one, name, ...)
  if not ok then tell('unjudged', name, '', type(err) == 'table' and err.err or tostring(err), '') end
end

local function look_at_key(name)
  local kind, rest = kind_of(name)
  if not kind then return tell('unknown', name, '', '', '') end
  local is = TYPE[kind] and call('TYPE', P .. name)
  is = is and (is.ok or is) or 'none'
  if is ~= 'none' and is ~= TYPE[kind] then
    return tell('wrong_type', name, '', is, '', function() return quarantine(name) end)
  end
  if alone[kind] then return alone[kind](name, rest) end
  if entry[kind] then pending[#pending + 1] = { name, '0' } end
end

local SCANS = { zset = 'ZSCAN', hash = 'HSCAN', set = 'SSCAN' }
local function look_into(page)
  local name, scan = page[1], nil
  local kind, rest = kind_of(name)
  local got = redis.pcall(SCANS[TYPE[kind]], P .. name, page[2], 'COUNT', math.min(left, 100))
  left = left - 1
  if got.err then got = { '0', {} } end -- it has become another type since; the next walk tells
  page[2] = got[1]
  if got[1] == '0' then table.remove(pending) end
  for i = 1, #got[2], TYPE[kind] == 'set' and 1 or 2 do
    try(name, entry[kind], rest, got[2][i], got[2][i + 1])
  end
end

while left > 0 and (outer ~= 'end' or #pending > 0) do
  if #pending > 0 then
    look_into(pending[#pending])
  else
    local got = redis.pcall('SCAN', outer, 'MATCH', P .. '*', 'COUNT', 100)
    if got.err then got = { '0', {} } end -- a spoiled place: start again
    outer = got[1] == '0' and 'end' or got[1]
    left = left - 5
    for _, key in ipairs(got[2]) do try(string.sub(key, #P + 1), look_at_key) end
  end
end
judge_sequence()
if MEND then
  flush()
  wake_freed()
  sooner()
end

local place = outer
for _, page in ipairs(pending) do place = place .. ' ' .. page[1] .. ' ' .. page[2] end
if place == 'end' then place = '' end
if shared then call('HSET', META, 'check', place ~= '' and place or 'after ' .. whole(NOW + ARGV[4])) end
local reply = { place, shared and place == '' and tonumber(ARGV[4]) or 0, looked }
for _, f in ipairs(found) do reply[#reply + 1] = f end
return reply
