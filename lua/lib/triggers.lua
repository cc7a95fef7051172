-- uses: base record task wake
-- Triggers: named schedules that make tasks.
--
-- trigger:NAME is a hash: def (the definition as the client wrote it), version (another one after each change), planned (the
-- next planned time, '' for none), due (when it is due: planned plus jitter), paused, anchor (of a fixed rate), after (ms of
-- a fixed delay), task (the latest task, of a trigger that must know whether it is live), pending (a planned time that waits
-- for the end of that task), origin, set_at. triggers has the names; score: when a replica has to handle the trigger, '+inf'
-- for never. fired:NAME has the newest entries of the history. The end of a task calls ended if its header names a trigger.

Triggers.INDEX = P .. 'triggers'
function Triggers.key(name) return P .. 'trigger:' .. name end

-- RECHECK is the number of ms after which a trigger that waits for the end of its task is handled in any case: the task may
-- have been removed without an end.
Triggers.RECHECK = 60000

-- SIGNALLED is how many replicas are signalled for a trigger that is due before all others.
local SIGNALLED = 3

-- changed has the times at which the triggers are due that this call has changed.
local changed = {}

-- set_score sets when a trigger is due, '' for never. write writes that.
function Triggers.set_score(name, due) changed[name] = due == '' and '+inf' or due end

function Triggers.write()
  local list = {}
  for name, due in pairs(changed) do list[#list + 1], list[#list + 2] = due, name end
  in_parts(2000, list, 'ZADD', Triggers.INDEX)
end

-- restore sets when a trigger is due from what is stored about it.
function Triggers.restore(name)
  local h = Record.soft('HMGET', Triggers.key(name), 'version', 'due', 'paused', 'pending', 'after')
  if not h then return end
  if not h[1] then return call('ZREM', Triggers.INDEX, name) end
  local due = h[2] or ''
  if h[3] then due = ''
  elseif h[4] then due = NOW_TEXT
  elseif due == '' and h[5] then due = whole(NOW + Triggers.RECHECK) end
  Triggers.set_score(name, due)
end

-- signal writes the times of changed. It signals replicas if one of these triggers is due before all others.
function Triggers.signal()
  if not next(changed) then return end
  Triggers.write()
  local first = call('ZRANGE', Triggers.INDEX, 0, 0)[1]
  if first and changed[first] then
    local replicas = call('ZRANGE', P .. 'replicas', 0, SIGNALLED - 1, 'REV')
    for _, replica in ipairs(replicas) do Wake.signal(replica, 'triggers') end
  end
  changed = {}
end

-- is_live reports whether a task has not ended.
function Triggers.is_live(id)
  local m = id and id ~= '' and Task.load(id)
  return m and not Record.TERMINAL[m.state]
end

-- KEPT is how many entries the history of a trigger keeps.
local KEPT = 50

-- note adds an entry to the history: planned time, outcome, and task, why and last (of several planned times) if not nil. A
-- trigger whose history is a key of a wrong type fires without one.
function Triggers.note(name, planned, outcome, id, why, last)
  local key = P .. 'fired:' .. name
  local length = Record.soft('RPUSH', key, cjson.encode({ planned = tonumber(planned), at = NOW, outcome = outcome,
    task = id, why = why, last = tonumber(last or nil) }))
  if length and length > KEPT then call('LTRIM', key, -KEPT, -1) end
end

-- has_made reports whether a task is in the history of a trigger as one that it has made. The task itself may have been
-- removed.
function Triggers.has_made(name, id)
  for _, entry in ipairs(Record.soft('LRANGE', P .. 'fired:' .. name, 0, -1) or {}) do
    local known, e = pcall(cjson.decode, entry)
    if known and type(e) == 'table' and e.task == id and e.outcome == 'enqueued' then return true end
  end
  return false
end

-- wait_after plans the next firing of a trigger with a fixed delay, from now on.
function Triggers.wait_after(name, after)
  local planned = whole(NOW + after)
  call('HSET', Triggers.key(name), 'planned', planned, 'due', planned)
  Triggers.set_score(name, planned)
end

-- ended is called for a task of a trigger that has ended.
function Triggers.ended(m)
  local h = Record.soft('HMGET', Triggers.key(m.trigger), 'task', 'planned', 'after', 'pending', 'paused')
  if not h or h[1] ~= m.id or h[5] then return end
  if not Record.soft('ZCARD', Triggers.INDEX) then return end -- the end of a task is written nevertheless
  if number(h[3]) then
    if h[2] == '' then Triggers.wait_after(m.trigger, tonumber(h[3])) end
  elseif h[4] then
    Triggers.set_score(m.trigger, NOW_TEXT)
  end
  Triggers.signal()
end
