-- uses: base queue record retention scores task doctor/finding doctor/lines doctor/names doctor/pool
-- Checks of a task: its record, and its entry in the index of its state.

local YEARS = 315360000000 -- ms; ten years, the longest delay that a task may have

local function is_number(s) return string.match(s, '^%d+$') and #s <= 15 end

-- flaw returns why scripts cannot work with a record, nil for a valid one.
local function flaw(head)
  local letter, _, _, score, m = Record.header_of(head)
  if not letter then return 'has no header' end
  if #score ~= 16 or tonumber(score) >= 9007199254740992 then return 'has no usable position' end
  for _, word in ipairs({ 'kind', 'queue', 'group' }) do
    if m[word] and not DoctorNames.is_name(m[word]) then return 'has no usable ' .. word end
  end
  if m.unique and not DoctorNames.is_unique(m.unique) then return 'has no usable unique key' end
  if m.labels and not DoctorNames.is_line(m.line) then return 'has no usable labels' end
  if letter == 'r' and not m.shards then return 'has no number of shards' end
  if m.spoiled then return 'has no number in ' .. m.spoiled end
end

function DoctorTask.is_live(m) return not Record.TERMINAL[m.state] end

-- due_of returns when a scheduled task is due by its extras or its header, nil if neither says.
function DoctorTask.due_of(m)
  local due = m.flag == '1' and redis.pcall('HGET', Record.extras_key(m.id), 'due_at')
  return type(due) == 'string' and is_number(due) and due or m.due_at
end

-- missing has, by state, a check of the index that must have the task. A check returns nil, or the index that lacks the
-- task, the text of the repair and the repair.
DoctorTask.missing = {}

function DoctorTask.missing.waiting(m)
  local blocked = P .. 'group:wait:' .. m.line
  local there = call('ZSCORE', P .. 'wait:' .. m.line, m.id)
    or call('ZSCORE', blocked, Queue.blocked_member('!' .. m.kind, m.score, m.id))
    or m.group and call('ZSCORE', blocked, Queue.blocked_member(m.group, m.score, m.id))
  if there then return DoctorLines.unlisted(m) end
  return 'wait:' .. m.line, 'put back into its queue', function() DoctorLines.put_back(m) end
end

function DoctorTask.missing.scheduled(m)
  if call('ZSCORE', P .. 'scheduled', m.id) then return nil end
  return 'scheduled', 'put back on the schedule', function()
    call('ZADD', P .. 'scheduled', DoctorTask.due_of(m) or NOW_TEXT, m.id)
    scheduled[m.id] = m.line
  end
end

-- parent checks a running parent, child a live child of a broadcast.
DoctorTask.parent, DoctorTask.child = false, false

-- examine reads a task as Task.load does. It returns nil if there is no such task, nil and the reason if its record is
-- broken. A task in no index counts as running if it has a run entry that cannot be read.
function DoctorTask.examine(id)
  local head = Record.read_head(id)
  if not head then return nil end
  local why = flaw(head)
  if why then return nil, why end
  local m = Task.load(id)
  if m.state == 'waiting' and redis.pcall('HEXISTS', P .. 'run:' .. m.queue, id) == 1 and DoctorTask.missing.waiting(m) then
    m.state = 'running'
  end
  return m
end

local function missing_ended(m)
  local index = 'ended:' .. m.state
  if call('ZSCORE', P .. index, m.id) then return nil end
  return index, 'put back among the ended tasks', function()
    local h = call('HMGET', Record.extras_key(m.id), 'ended_at', 'result', 'unarchived')
    local output = h[2] or call('EXISTS', P .. 'history:' .. m.id) == 1
    local keep = (h[3] and Retention.at_end or Retention.ms)(m.state, m, output)
    local ended_at = tonumber(h[1] or nil) or NOW
    call('ZADD', P .. index, keep == math.huge and '+inf' or whole(ended_at + keep), m.id)
  end
end

function DoctorTask.holds_unique(holder, key)
  local head = holder and Record.read_head(holder)
  local letter, _, _, _, m = Record.header_of(head or '')
  return letter and not Record.TERMINAL[Record.STATES[letter]] and m.unique == key
end

local function check_unique(m)
  local key = P .. 'unique:' .. m.unique
  local holder = redis.pcall('GET', key)
  if type(holder) == 'table' or holder == m.id then return end
  if DoctorTask.holds_unique(holder, m.unique) then
    return DoctorFinding.report('unique_shared', 'unique:' .. m.unique, m.id, holder, '')
  end
  DoctorFinding.report('unique_unheld', 'unique:' .. m.unique, m.id, '', 'given to the task',
    function() call('SET', key, m.id) end)
end

-- check_live checks what only live tasks have: the watch of TTL and deadline, the unique key, the due time.
local function check_live(m)
  local at = tonumber(m.attempt == '0' and m.expires_at or m.deadline_at or nil)
  if at and at > NOW and not m.home then
    local watched = tonumber(call('ZSCORE', P .. 'expiring', m.id) or nil)
    if not watched or watched > at then
      DoctorFinding.report('unwatched', 'expiring', m.id, '', 'watched',
        function() call('ZADD', P .. 'expiring', whole(at), m.id) end)
    end
  end
  if m.unique then check_unique(m) end
  if m.member then DoctorTask.child(m) end
  local due = m.state == 'scheduled' and DoctorTask.due_of(m)
  if due and due - NOW > YEARS and tonumber(due) < Scores.HOLD then
    DoctorFinding.report('far_due', 'scheduled', m.id, due, '')
  end
end

-- check checks one task and returns it. It returns nil if there is no such task, nil and the reason if its record is broken.
function DoctorTask.check(id)
  local m, why = DoctorTask.examine(id)
  if not m then
    if why then
      DoctorFinding.report('bad_record', 'task:' .. id, id, why, '',
        function() return DoctorFinding.quarantine('task:' .. id) end)
    end
    return nil, why
  end
  DoctorPool.note_score(m.score, m.aged)
  -- Check the queue before the index, because a repair of the index would list the queue without a finding.
  if DoctorTask.is_live(m) and call('SISMEMBER', P .. 'queues', m.queue) == 0 then
    DoctorFinding.report('queue_unlisted', 'queues', id, m.queue, 'listed',
      function() call('SADD', P .. 'queues', m.queue) end)
  end
  local index, done, repair = (DoctorTask.missing[m.state] or missing_ended)(m)
  if index then DoctorFinding.report('no_entry', index, id, m.state, done, repair) end
  if DoctorTask.is_live(m) then check_live(m) end
  if m.letter == 'r' then DoctorTask.parent(m) end
  return m
end

-- drop reports a member of an index whose task (m, nil for none) does not belong there. remove removes it.
function DoctorTask.drop(name, member, id, m, remove)
  local is = m and m.state .. ' in queue ' .. m.queue or ''
  DoctorFinding.report(m and 'wrong_index' or 'no_record', name, id, is, 'removed', function()
    remove(P .. name, member)
    if m then DoctorTask.check(id) end
  end)
end
