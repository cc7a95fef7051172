-- bulk: writes the record of a bulk job of the console, with an entry of the audit stream.
--
-- KEYS  prefix, meta
-- ARGV  job, the revision that the caller has read (0 for a new job), a name of this call, the record, 1 if the job has not
--       ended, how many ms the record is kept, number of fields of the audit entry, 1 if its position is stored in the
--       record, these fields and values, chunks of the list of counted tasks
-- Returns the new revision, 0 if the job has another revision, -1 if too many jobs have not ended; and the position of the
--       audit entry in the record, '' for none.
-- Keeps: a record changes only if the caller has read its newest revision, together with the list and the audit stream. A
-- call that is repeated after its reply was lost does nothing.
-- uses: base
local OPEN_JOBS, KEPT_JOBS = 20, 200
local id, seen = ARGV[1], tonumber(ARGV[2])
local key, list, open, all = P .. 'bulk:' .. id, P .. 'bulklist:' .. id, P .. 'bulks:open', P .. 'bulks'
local now = call('HMGET', key, 'rev', 'call', 'audit')
local rev = tonumber(now[1] or 0)
if rev == seen + 1 and now[2] == ARGV[3] then return { rev, now[3] or '' } end
if rev ~= seen then return { 0, '' } end
run_when_full()

-- begin adds a new job to the lists, and removes from them what has expired and the oldest ended jobs. It returns whether
-- the job may begin.
local function begin()
  for _, other in ipairs(call('SMEMBERS', open)) do
    if call('EXISTS', P .. 'bulk:' .. other) == 0 then call('SREM', open, other) end
  end
  if call('SCARD', open) >= OPEN_JOBS then return false end
  for _, other in ipairs(call('ZRANGE', all, 0, -KEPT_JOBS)) do
    if call('SISMEMBER', open, other) == 0 then
      call('DEL', P .. 'bulk:' .. other)
      call('ZREM', all, other)
    end
  end
  call('ZADD', all, NOW, id)
  return true
end

if seen == 0 and not begin() then return { -1, '' } end
local audit, fields = now[3] or '', tonumber(ARGV[7])
if fields > 0 then
  local entry = call('XADD', P .. 'audit', 'MAXLEN', '~', 10000, '*', unpack(ARGV, 9, 8 + fields))
  if audit == '' and ARGV[8] == '1' then audit = entry end
end
call('HSET', key, 'rev', whole(seen + 1), 'call', ARGV[3], 'job', ARGV[4], 'audit', audit)
call('PEXPIRE', key, ARGV[6])
if ARGV[5] == '1' then
  call('SADD', open, id)
  for i = 9 + fields, #ARGV do call('RPUSH', list, ARGV[i]) end
  call('PEXPIRE', list, ARGV[6])
else
  call('SREM', open, id)
  call('UNLINK', list)
  call('PEXPIRE', P .. 'call:bulk:' .. id, 600000) -- a console that has lost the job may still repeat a call
end
return { seen + 1, audit }
