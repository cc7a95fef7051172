-- uses: base make record stopping triggers
-- Firings of triggers: see fire.lua, which reads the entries.

Firings.stops = false -- whether a task was stopped

-- sequence is the number before that of the next task.
local outcomes, sequence

-- make makes the task of one firing. It returns whether it did.
local function make(e, planned, id, payload)
  local outcome, other, why = 'enqueued', id, nil
  sequence = sequence + 1
  Make.tasks(e.group, { id }, { payload }, sequence - 1, function(_, refused, by, what)
    if refused == 'dup' and by == id then outcome = 'made' -- this call is repeated after its reply was lost
    elseif refused == 'dup' then outcome, other, why = 'duplicate', by, 'duplicate of task ' .. by .. ', which is ' .. what
    elseif refused == 'full' then outcome, other, why = 'queue_full', nil, 'queue ' .. e.group.queue .. ' is full'
    elseif refused == 'limit' then outcome, other, why = 'limit_reached', nil, 'limit is reached: ' .. by
    else outcome, other, why = 'invalid', nil, by .. ' ' .. what end
  end)
  if outcome == 'made' then outcome = 'enqueued' else Triggers.note(e.name, planned, outcome, other, why) end
  outcomes[#outcomes + 1] = { outcome, other or '', why or '' }
  -- A task besides the schedule does not replace a live one, whose end the trigger waits for.
  if outcome == 'enqueued' and (e.overlap ~= 'allow' or e.after ~= '')
    and not (e.op == 'run' and Triggers.is_live(e.task)) then
    call('HSET', Triggers.key(e.name), 'task', id)
    e.task = id
  end
  return outcome == 'enqueued'
end

local function leave_out(e, planned, outcome, why)
  Triggers.note(e.name, planned, outcome, nil, why)
  outcomes[#outcomes + 1] = { outcome, '', why }
end

-- firing makes the task of one firing, unless the overlap with the task before it forbids that.
local function firing(e, planned, id, payload)
  if e.op ~= 'run' and (e.overlap ~= 'allow' or e.after ~= '') and Triggers.is_live(e.task) then
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
  return make(e, planned, id, payload)
end

-- handle handles one trigger. It returns false if the trigger has changed since the caller has read it.
local function handle(e)
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
  if e.n > 0 then sequence = call('HINCRBY', META, 'seq', e.n) - e.n end
  local made
  for i = 0, e.n - 1 do made = firing(e, unpack(ARGV, e.at + 3 * i, e.at + 3 * i + 2)) or made end
  if e.after ~= '' and e.op == 'fire' and e.n > 0 then
    if made then Triggers.set_score(e.name, whole(NOW + Triggers.RECHECK))
    else Triggers.wait_after(e.name, tonumber(e.after)) end
  end
  return true
end

-- apply handles one trigger. It returns 1, or 0 if the trigger has changed since the caller has read it, and the outcomes of
-- its firings.
function Firings.apply(e)
  outcomes = {}
  if handle(e) then return 1, outcomes end
  Triggers.restore(e.name)
  return 0, outcomes
end
