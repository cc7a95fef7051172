-- trigger: sets, pauses, resumes or removes a trigger, for a client or for an entry of triggers:inbox.
--
-- KEYS  prefix, meta
-- ARGV  op (set, pause, resume, remove; drop: an entry that changes nothing), the entry ('' for none), name, version that
--       the caller has read ('' for none); of drop also why it is rejected ('' if it is not) and the most entries of the
--       reject stream; of set and resume also the planned time that it has read, the next planned time and when it is due
--       ('' for none); of set also 1 to keep the planned time that is stored, definition, 1 if paused, anchor in ms, fixed
--       delay in ms or '', origin
-- Returns 1 if it was changed, 0 if it has changed since the caller has read it, -1 if there is no such trigger, 2 if the
--       entry is not the first one any more.
-- Keeps: a version is never used twice, even after Redis has lost its counter, so a firing that was computed from an older
-- definition has no effect. An entry is applied once and in its order, whichever replicas read it, because the step that
-- applies it also removes it.
-- uses: base reject totals triggers
local op, entry, name, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local key = Triggers.key(name)
local h = op ~= 'drop' and call('HMGET', key, 'version', 'planned', 'paused', 'due')
-- Keys of a wrong type stop this call before its first write.
call('ZCARD', Triggers.INDEX)

local list
if entry ~= '' then
  list = P .. 'triggers:inbox:open'
  if call('EXISTS', list) == 0 then list = P .. 'triggers:inbox' end
  if call('LINDEX', list, 0) ~= entry then return 2 end
  call('XLEN', P .. 'inbox:rejected')
end
local function take_entry()
  if list then call('LPOP', list) end
end

if op == 'drop' then
  take_entry()
  if ARGV[5] ~= '' then Reject.entry(entry, ARGV[6], 'invalid_trigger', ARGV[5], nil, '') end
  Totals.write()
  return 1
end

if op == 'remove' then
  take_entry()
  call('DEL', key, P .. 'fired:' .. name)
  return call('ZREM', Triggers.INDEX, name) == 1 and 1 or h[1] and 1 or -1
end

local function next_version() return call('HINCRBY', META, 'triggers', 1) .. '-' .. NOW_TEXT end

if op == 'pause' then
  if not h[1] then return -1 end
  if h[3] then return 1 end
  call('HSET', key, 'version', next_version(), 'paused', 1)
  call('HDEL', key, 'pending')
  Triggers.set_score(name, '')
  Triggers.write()
  return 1
end

local planned, due, keep = ARGV[6], ARGV[7], ARGV[8] == '1'
if op == 'resume' and not h[1] then return -1 end
if (h[1] or '') ~= version or not keep and (h[2] or '') ~= ARGV[5] then return 0 end
local next = next_version()
take_entry()
if op == 'resume' then
  call('HSET', key, 'version', next, 'planned', planned, 'due', due)
  call('HDEL', key, 'paused')
else
  call('HSET', key, 'version', next, 'def', ARGV[9], 'anchor', ARGV[11], 'origin', ARGV[13], 'set_at', NOW_TEXT)
  if keep then due = h[4] or '' else call('HSET', key, 'planned', planned, 'due', due) end
  if not keep then call('HDEL', key, 'pending') end
  if ARGV[10] == '1' then call('HSET', key, 'paused', 1) else call('HDEL', key, 'paused') end
  if ARGV[12] ~= '' then call('HSET', key, 'after', ARGV[12]) else call('HDEL', key, 'after') end
end
Triggers.restore(name)
Triggers.signal()
return 1
