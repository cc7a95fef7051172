-- trigger: sets, pauses, resumes or removes a trigger.
--
-- KEYS  prefix, meta
-- ARGV  op (set, pause, resume, remove), name, version that the caller has read ('' for none); of set and resume also the
--       planned time that it has read, the next planned time and when it is due ('' for none); of set also 1 to keep the
--       planned time that is stored, definition, 1 if paused, anchor in ms, fixed delay in ms or '', origin
-- Returns 1 if it was changed, 0 if it has changed since the caller has read it, -1 if there is no such trigger.
-- Keeps: a version is never used twice, so a firing that was computed from an older definition has no effect.
-- uses: base triggers
local op, name, version = ARGV[1], ARGV[2], ARGV[3]
local key = Triggers.key(name)
local h = call('HMGET', key, 'version', 'planned', 'paused', 'due')

if op == 'remove' then
  call('DEL', key, P .. 'fired:' .. name)
  return call('ZREM', Triggers.INDEX, name) == 1 and 1 or h[1] and 1 or -1
end

local function next_version() return call('HINCRBY', META, 'triggers', 1) end

if op == 'pause' then
  if not h[1] then return -1 end
  if h[3] then return 1 end
  call('HSET', key, 'version', next_version(), 'paused', 1)
  call('HDEL', key, 'pending')
  Triggers.set_score(name, '')
  return 1
end

local planned, due, keep = ARGV[5], ARGV[6], ARGV[7] == '1'
if op == 'resume' and not h[1] then return -1 end
if (h[1] or '') ~= version or not keep and (h[2] or '') ~= ARGV[4] then return 0 end
if op == 'resume' then
  call('HSET', key, 'version', next_version(), 'planned', planned, 'due', due)
  call('HDEL', key, 'paused')
else
  call('HSET', key, 'version', next_version(), 'def', ARGV[8], 'anchor', ARGV[10], 'origin', ARGV[12], 'set_at', NOW_TEXT)
  if keep then due = h[4] or '' else call('HSET', key, 'planned', planned, 'due', due) end
  if not keep then call('HDEL', key, 'pending') end
  if ARGV[9] == '1' then call('HSET', key, 'paused', 1) else call('HDEL', key, 'paused') end
  if ARGV[11] ~= '' then call('HSET', key, 'after', ARGV[11]) else call('HDEL', key, 'after') end
end
Triggers.restore(name)
Triggers.signal()
return 1
