-- uses: base make record stopping triggers
-- Firings of triggers: see fire.lua, which reads the entries.

Firings.stops = false -- whether a task was stopped
Firings.total = 0 -- number of firings in the call

-- outcomes has the outcomes of the current trigger. A firing whose group is shared gets its outcome in write. groups has the
-- groups with firings that are not made yet.
local outcomes, groups = nil, {}
local sequence -- the number before that of the next task

-- add adds a firing to those of its group.
local function add(e, planned, id, payload)
  local g = e.group
  if not g.fired then
    g.fired, g.ids, g.payloads = {}, {}, {}
    groups[#groups + 1] = g
  end
  local n = #g.ids + 1
  g.ids[n], g.payloads[n], g.fired[n] = id, payload, { 'enqueued', id, '', name = e.name, planned = planned }
  outcomes[#outcomes + 1] = g.fired[n]
end

-- make makes the tasks of a group and completes the outcomes of its firings: outcome, task or '', why not.
local function make(g)
  local fired, n = g.fired, #g.ids
  sequence = sequence or call('HINCRBY', META, 'seq', Firings.total) - Firings.total
  local refuse = function(i, refused, by, what)
    local f = fired[i]
    if refused == 'dup' and by == f[2] then f.made = true -- this call is repeated after its reply was lost
    elseif refused == 'dup' then f[1], f[2], f[3] = 'duplicate', by, 'duplicate of task ' .. by .. ', which is ' .. what
    elseif refused == 'full' then f[1], f[2], f[3] = 'queue_full', '', 'queue ' .. g.queue .. ' is full'
    elseif refused == 'limit' then f[1], f[2], f[3] = 'limit_reached', '', 'limit is reached: ' .. by
    else f[1], f[2], f[3] = 'invalid', '', by .. ' ' .. what end
  end
  Make.tasks(g, g.ids, g.payloads, sequence, refuse)
  sequence = sequence + n
  for _, f in ipairs(fired) do
    if not f.made then Triggers.note(f.name, f.planned, f[1], f[2] ~= '' and f[2] or nil, f[3] ~= '' and f[3] or nil) end
  end
  g.fired = nil
  return fired
end

-- write makes the tasks of all groups that are left.
function Firings.write()
  for _, g in ipairs(groups) do
    if g.fired then make(g) end
  end
  groups = {}
end

local function leave_out(e, planned, outcome, why)
  Triggers.note(e.name, planned, outcome, nil, why)
  outcomes[#outcomes + 1] = { outcome, '', why }
end

-- firing makes the task of one firing, unless the overlap with the task before it forbids that. It returns whether the task
-- was made, nil if write makes it.
local function firing(e, planned, id, payload)
  if not e.waits then return add(e, planned, id, payload) end
  if e.op ~= 'run' and Triggers.is_live(e.task) then
    local why = 'task ' .. e.task .. ' has not ended'
    if e.after ~= '' then return true end
    if e.overlap == 'skip' then return leave_out(e, planned, 'skipped', why) end
    if e.overlap == 'queue' then
      if e.pending then return leave_out(e, planned, 'skipped', why .. ', and a firing waits for its end') end
      e.pending = planned
      call('HSET', Triggers.key(e.name), 'pending', planned)
      return leave_out(e, planned, 'queued', why)
    end
    Firings.stops = true
    Stopping.request(e.task, 'its trigger ' .. e.name .. ' fired again')
  end
  add(e, planned, id, payload)
  if make(e.group)[1][1] ~= 'enqueued' then return false end
  -- A task besides the schedule does not replace a live one, whose end the trigger waits for.
  if not (e.op == 'run' and Triggers.is_live(e.task)) then
    call('HSET', Triggers.key(e.name), 'task', id)
    e.task = id
  end
  return true
end

-- handle handles one trigger. A run is one firing. It returns false if the trigger has changed since the caller has read it.
local function handle(e)
  local id = e.op == 'run' and ARGV[e.at + 1]
  if id and Triggers.has_made(e.name, id) then -- this call is repeated after its reply was lost
    outcomes[1] = { 'enqueued', id, '' }
    return true
  end
  local key = Triggers.key(e.name)
  local h = Record.soft('HMGET', key, 'version', 'planned', 'paused', 'task', 'pending', 'due') or {}
  local read = e.op == 'pending' and h[5] or h[2]
  if h[1] ~= e.version or e.op ~= 'run' and (h[3] or read ~= e.planned) then return false end
  if e.op == 'fire' and (number(h[6]) or math.huge) > NOW then return false end
  e.task, e.pending = h[4], h[5]
  if e.op == 'check' then
    if e.after == '' then Triggers.restore(e.name) -- it has no planned time, so it never fires
    elseif Triggers.is_live(e.task) then Triggers.set_score(e.name, whole(NOW + Triggers.RECHECK))
    else Triggers.wait_after(e.name, tonumber(e.after)) end
    return true
  end
  if e.op == 'pending' then
    e.due = h[6] or ''
    if not Triggers.is_live(e.task) then
      call('HDEL', key, 'pending')
      e.pending = nil
    end
    Triggers.set_score(e.name, e.due)
    if e.pending then return true end
  elseif e.op == 'fire' then
    call('HSET', key, 'planned', e.next, 'due', e.due)
    Triggers.set_score(e.name, e.due)
  end
  if e.first ~= '' then Triggers.note(e.name, e.first, 'missed', nil, e.why, e.last) end
  local made
  for i = 0, e.n - 1 do made = firing(e, unpack(ARGV, e.at + 3 * i, e.at + 3 * i + 2)) or made end
  if e.after ~= '' and e.op == 'fire' and e.n > 0 then
    if made then Triggers.set_score(e.name, whole(NOW + Triggers.RECHECK))
    else Triggers.wait_after(e.name, tonumber(e.after)) end
  end
  return true
end

-- apply handles one trigger. It returns 1, or 0 if the trigger has changed since the caller has read it, and the outcomes of
-- its firings, which are complete after write.
function Firings.apply(e)
  outcomes = {}
  if handle(e) then return 1, outcomes end
  Triggers.restore(e.name)
  return 0, outcomes
end
