-- uses: base batch event finish full line queue record shards staged start task totals
-- Candidates of a claim other than plain tasks.

-- extras_of returns the extras of a task, its next attempt and version, when it was due (nil if it was never scheduled), and
-- which replica it avoids, how many times.
local function extras_of(id, letter, words)
  local flat = call('HGETALL', Record.extras_key(id))
  local h = fields(flat)
  local attempt = (number(h.attempt) or 0) + 1
  local v = (number(h.v) or Record.BASE_VERSION[letter] or 1) + 1
  return flat, attempt, v, number(h.due_at or words.due_at), h.avoid
end

-- DEFERRAL is for how many ms a task is put on the schedule if its claimant is the replica that it avoids.
local DEFERRAL = 200

-- defer puts a task that has left its queue on the schedule if it avoids the claiming replica. It returns whether it did.
local function defer(step, id, words, v, avoid)
  local replica, left = string.match(avoid, '^(%S+) (%d+)$')
  if replica ~= step.replica or left == '0' then return false end
  local due = whole(NOW + DEFERRAL)
  call('HSET', Record.extras_key(id), 'v', whole(v), 'due_at', due, 'avoid', replica .. ' ' .. whole(tonumber(left) - 1))
  call('SETRANGE', Record.key(id), 0, 's1')
  call('ZADD', P .. 'scheduled', due, id)
  scheduled[id] = words.line
  Event.add(words, id, 'scheduled', v)
  return true
end

-- start starts a task of a line that is not plain, or removes it if it cannot start. It returns the task's group if the task
-- was the group's head and the group needs a new head.
function Candidate.start(step, queue, line, id, record)
  local letter, flag, created, score, words
  if record then letter, flag, created, score, words = Record.header_of(record) end
  if letter == 'e' then return Staged.start(step, queue, id, record, words) end
  if not letter or Record.STATES[letter] ~= 'waiting' or words.line ~= line then return Totals.count('orphans') end
  local extras, attempt, v, due, avoid = nil, 1, (Record.BASE_VERSION[letter] or 1) + 1, tonumber(words.due_at or nil), nil
  if flag == '1' then extras, attempt, v, due, avoid = extras_of(id, letter, words) end
  local group = words.group
  local head = group and call('HGET', P .. 'group:head:' .. line, group) == score
  local late = attempt == 1 and words.late_at or attempt > 1 and tonumber(words.deadline_at or nil)
  if words.shard and Shards.is_over(id) then
    Finish.task(Task.load(id), 'stopped', 'stopped', nil, Shards.OVER)
  elseif late and late <= NOW then
    Finish.too_late(Task.load(id))
  elseif not Batch.bound_of(words) then
    Full.block(line, words.kind, score, id)
  elseif avoid and defer(step, id, words, v, avoid) then
    return head and group or nil
  elseif group and Queue.holds(group) then
    Queue.block(line, group, score, id)
    if head then call('HDEL', P .. 'group:head:' .. line, group) end
    return nil
  else
    if group and Queue.start(group, id) then step.rated = true end
    Start.task(step, queue, { id = id, record = record, words = words, flag = (words.at_end or extras) and '1' or '0',
      attempt = whole(attempt), v = whole(v), waited = whole(NOW - (due or created)), extras = extras })
  end
  return head and group or nil
end

-- insert_next_head makes the next task of a group in a line its head, after the i-th of ids has left the line. It inserts
-- the task at its position among the candidates that follow, or into the line if its position is behind last_score. lines
-- has the line of each candidate, nil if all are of the line.
function Candidate.insert_next_head(line, group, ids, records, i, last_score, lines)
  if Queue.group_full(group) then
    call('HDEL', P .. 'group:head:' .. line, group)
    if call('EXISTS', P .. 'group:queues:' .. group) == 1 then Queue.holds(group) end
    return
  end
  local id, score = Queue.next_head(line, group)
  if not id then return end
  if score > last_score then return call('ZADD', P .. 'wait:' .. line, score, id) end
  local at = i + 1
  while ids[at] and (not records[at] or string.sub(records[at], 18, 33) < score) do at = at + 1 end
  table.insert(ids, at, id)
  table.insert(records, at, call('GET', Record.key(id)))
  if lines then table.insert(lines, at, line) end
  if string.find(line, '#', 1, true) then Line.drop(line, { id }) end
end
