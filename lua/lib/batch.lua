-- uses: base event full policy run settings words
-- Batches: the tasks of one queue and one bound that a claim hands out, each batch under a fence of its own.
--
-- step is the state of one exchange: replica, class, own (the replica may serve lines of its own: see line.lua), exclusive
-- (it takes only tasks with labels), lease, grace, fence (the next one), started (tasks so far), bytes (of their records),
-- answer (the reply; a batch adds four values), fences (of its batches), open (batches of the present queue).

-- bound_of returns how many ms an attempt of a task with these words may take, false if none may start because too many
-- results of its kind are staged. It caches the result per call.
local bounds = {}
function Batch.bound_of(words)
  local bound = bounds[words]
  if bound == nil then
    local full = Policy.of(words.kind).export and Full.room(words.kind) <= 0
    bound = not full and Policy.time_for(words, 0)
    bounds[words] = bound
  end
  return bound
end

-- for_bound returns the open batch whose attempts may take so many ms, or opens one.
function Batch.for_bound(step, bound)
  step.open = step.open or {}
  for _, c in ipairs(step.open) do
    if c.bound == bound then return c end
  end
  local c = { fence = whole(step.fence), bound = bound, n = 0, ids = {}, runs = {}, parts = {}, size = 0, texts = {} }
  step.fence = step.fence + 1
  step.open[#step.open + 1] = c
  return c
end

-- run_entry returns the run entry of the batch's tasks with this attempt, version, flag, kind and group.
function Batch.run_entry(step, c, attempt, v, flag, kind, group)
  local key = table.concat({ attempt, v, flag, kind, group }, ' ')
  local text = c.texts[key]
  if not text then
    text = Run.text(c.fence, attempt, v, NOW_TEXT, flag, kind, step.replica, group)
    c.texts[key] = text
  end
  return text
end

-- start_plain starts plain tasks: tasks that never started, were not scheduled, belong to no group and never expire. It
-- starts the i-th of ids, which was in the line, and the following ones with the same header, at most `most`. It returns how
-- many it started.
function Batch.start_plain(step, line, ids, records, i, most)
  local first = records[i]
  local stop = #first > Words.KIND_AT and string.sub(first, 1, 2) == 'w0' and string.find(first, '\n', Words.KIND_AT, true)
  local words = stop and Words.of(string.sub(first, Words.KIND_AT, stop - 1))
  if not words or not words.plain or words.line ~= line then return 0 end
  local created, bound = number(string.sub(first, 4, 16)), Batch.bound_of(words)
  if not (created and bound) then return 0 end
  local head, waited = string.sub(first, 1, stop), whole(NOW - created)
  local c, b = Batch.for_bound(step, bound), Event.batch('running', words.kind, words.queue)
  local text = Batch.run_entry(step, c, '1', '2', words.at_end and '1' or '0', words.kind)
  local c_ids, runs, parts, b_ids, n, size, k, bytes = c.ids, c.runs, c.parts, b.ids, c.n, c.size, b.n, 0
  local taken, record = 0, first
  repeat
    local id = ids[i + taken]
    n, size, k, taken = n + 1, size + 1, k + 1, taken + 1
    c_ids[n], runs[2 * n - 1], runs[2 * n], parts[size], b_ids[k] = id, id, text, record, id
    bytes = bytes + #record
    record = records[i + taken]
  until taken >= most or step.bytes + bytes >= step.most_bytes or not record or string.find(record, head, 1, true) ~= 1
  c.n, c.size, b.n = n, size, k
  Event.put(b, taken, '2', '1', step.replica, waited)
  step.started, step.bytes = step.started + taken, step.bytes + bytes
  return taken
end

-- lengths returns the length of each part as words; one word if all are equal.
local function lengths(parts, n)
  local list, one = {}, #parts[1]
  local same = true
  for i = 1, n do
    local length = #parts[i]
    same = same and length == one
    list[i] = whole(length)
  end
  return same and list[1] or table.concat(list, ' ')
end

-- counts_of returns, as words, how many strings of extras follow each record; the one word 0 if none do.
local function counts_of(c)
  if not c.counts then return '0' end
  for i = 1, c.n do c.counts[i] = c.counts[i] or '0' end
  return table.concat(c.counts, ' ', 1, c.n)
end

-- add_to_reply adds a batch to the reply. ids is the text of its ids. left is how many ms the attempts may still take.
function Batch.add_to_reply(step, queue, c, ids, started_at, left)
  local answer = step.answer
  local n, ms = #answer, left < math.huge and whole(math.max(left, 1)) or '0'
  answer[n + 1] = table.concat({ c.fence, queue, whole(started_at), ms, counts_of(c) }, ' ')
  answer[n + 2], answer[n + 3], answer[n + 4] = ids, lengths(c.parts, c.size), table.concat(c.parts, '', 1, c.size)
end

-- write writes the open batches of a queue: run entries, claims, leases.
function Batch.write(step, queue)
  for _, c in ipairs(step.open or {}) do
    in_parts(2000, c.runs, 'HSET', P .. 'run:' .. queue)
    if Settings.of(queue).pool_limit then in_parts(2000, c.ids, 'SADD', P .. 'counted') end
    local ends, cut = step.lease, '0'
    if c.bound + step.grace < ends then ends, cut = c.bound + step.grace, '1' end
    local ids = table.concat(c.ids, ' ', 1, c.n)
    call('HSET', P .. 'claims', c.fence,
      table.concat({ whole(c.n), step.replica, queue, NOW_TEXT, whole(step.lease), cut, ids }, ' '))
    call('ZADD', P .. 'leases', whole(NOW + ends), c.fence)
    step.fences[#step.fences + 1] = c.fence
    Batch.add_to_reply(step, queue, c, ids, NOW, c.bound)
  end
  step.open = nil
end
