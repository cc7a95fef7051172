-- check: inspects a part of the pool's keys, and reports or repairs damage that an accident or another program has left.
--
-- KEYS  prefix, meta
-- ARGV  mode (report: report only; repair: report and repair; types: repair only keys of a wrong type), budget of entries,
--       cursor (that of the last call; '' for the start; "shared" for the walk that all replicas share), pause ms (from the
--       end of the shared walk to its next start)
-- Returns {cursor to continue from or '' at the end, ms until the shared walk starts again or 0, number of entries checked,
-- number of running attempts among them that are past their soft timeout, then per finding: code, key without the prefix,
-- task or member, detail, what was done or ''}.
-- Keeps: an entry is checked and repaired in one step, so the check never sees a half-finished change. In the mode report
-- nothing is written.
-- uses: base queue wake doctor/finding doctor/keys doctor/members doctor/names doctor/pool doctor/running doctor/staged
if ARGV[1] ~= 'report' then run_when_full() end
local budget, from, shared, types = tonumber(ARGV[2]), ARGV[3], ARGV[3] == 'shared', ARGV[1] == 'types'
if from == '' or shared then DoctorNames.has_type('meta', 'meta') end
if shared then
  from = call('HGET', META, 'check') or ''
  local restart = tonumber(string.match(from, '^after (%d+)$') or nil)
  if restart and restart > NOW and restart <= NOW + ARGV[4] then return { '', restart - NOW, 0, 0 } end
  if restart then from = '' end
end

-- The cursor of a walk consists of the cursor of the scan over all keys, then of name and cursor of each key whose members
-- have not all been checked. Claims are checked first, because they name running tasks whose run entry is lost.
if from == '' then from = types and '0' or '0 claims 0' end
local outer, pending = string.match(from, '^%S+') or '0', {}
for name, cursor in string.gmatch(string.sub(from, #outer + 1), ' (%S+) (%S+)') do
  if DoctorMembers[DoctorNames.kind_of(name)] then pending[#pending + 1] = { name, cursor } end
end
if from == '0 claims 0' then
  pcall(DoctorPool.meta) -- fails if meta is of another type, which was reported above
  pcall(DoctorPool.events)
end

local checked = 0
local function try(name, check_one, ...)
  checked = checked + 1
  local ok, n = pcall(check_one, name, ...)
  budget = budget - 1 - (ok and tonumber(n) or 0) / 5
  if not ok then DoctorFinding.report('unchecked', name, '', type(n) == 'table' and n.err or tostring(n), '') end
end

local function check_key(name)
  local kind, rest = DoctorNames.kind_of(name)
  if not kind then return types or DoctorFinding.report('unknown', name, '', '', '') end
  local sound, exists = kind == 'broken', true
  if DoctorNames.TYPE[kind] then sound, exists = DoctorNames.has_type(name, kind) end
  if not (sound and exists) or types then return end
  if DoctorKeys[kind] then DoctorKeys[kind](name, rest) end
  if DoctorMembers[kind] and name ~= 'claims' then pending[#pending + 1] = { name, '0' } end
end

-- check_members checks members of one key. A small key is scanned in one reply, whatever the COUNT. If the budget ends in
-- the middle of it, the cursor is "0+N": go on after N members.
local SCANS = { zset = 'ZSCAN', hash = 'HSCAN', set = 'SSCAN' }
local function check_members(page)
  local name = page[1]
  local kind, rest = DoctorNames.kind_of(name)
  local from, skip = string.match(page[2], '^([^+]*)%+?(%d*)$')
  -- An entry of claims names up to 200 tasks.
  local most = name == 'claims' and 1 or math.ceil(math.min(budget, 100))
  local got = redis.pcall(SCANS[DoctorNames.TYPE[kind]], P .. name, from or '', 'COUNT', most)
  budget = budget - 1
  if got.err then got = { '0', {} } end -- the key has another type by now; the next walk reports it
  local is_small, width = from == '0' and got[1] == '0', DoctorNames.TYPE[kind] == 'set' and 1 or 2
  local first = 1 + width * (tonumber(skip) or 0)
  for i = first, #got[2], width do
    if is_small and i > first and budget <= 0 then
      page[2] = '0+' .. (i - 1) / width
      return
    end
    try(name, DoctorMembers[kind], rest, got[2][i], got[2][i + 1])
  end
  page[2] = got[1]
  if got[1] == '0' then table.remove(pending) end
end

while budget > 0 and (outer ~= 'end' or #pending > 0) do
  if #pending > 0 then
    check_members(pending[#pending])
  else
    local got = redis.pcall('SCAN', outer, 'MATCH', P .. '*', 'COUNT', 40)
    if got.err then got = { '0', {} } end -- not a cursor: the scan ends
    outer = got[1] == '0' and 'end' or got[1]
    budget = budget - 2
    for _, key in ipairs(got[2]) do try(string.sub(key, #P + 1), check_key) end
  end
end
pcall(DoctorPool.sequences)
if DoctorFinding.repairs then
  Queue.write()
  Wake.all()
  Wake.for_next_due()
end

for i, page in ipairs(pending) do pending[i] = page[1] .. ' ' .. page[2] end
local cursor = table.concat({ outer, unpack(pending) }, ' ')
if cursor == 'end' then cursor = '' end
if shared then call('HSET', META, 'check', cursor ~= '' and cursor or 'after ' .. whole(NOW + ARGV[4])) end
local reply = { cursor, shared and cursor == '' and tonumber(ARGV[4]) or 0, checked, DoctorRunning.slow }
for _, f in ipairs(DoctorFinding.list) do reply[#reply + 1] = f end
return reply
