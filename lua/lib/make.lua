-- uses: admit aging base event line parents queue queues record scores settings totals trim wake
-- Writing new tasks.

-- LARGE is a payload size in bytes. After a payload of this size, claims read fewer records at once: see claim.lua.
local LARGE = 65536

-- pairs_of returns a list in which scores and ids alternate. scores is one text for all ids, or a list.
local function pairs_of(scores, ids)
  local list, one = {}, type(scores) == 'string' and scores
  for i = 1, #ids do list[2 * i - 1], list[2 * i] = one or scores[i], ids[i] end
  return list
end

-- index_new adds new tasks to the indexes of their state.
local function index_new(g, ids, scores)
  local line = g.line or g.queue
  Queues.list(g.queue)
  if g.state == 'scheduled' then
    in_parts(2000, pairs_of(whole(g.due), ids), 'ZADD', P .. 'scheduled')
    if g.due < Scores.HOLD then
      for _, id in ipairs(ids) do scheduled[id] = line end
    end
  elseif g.state == 'running' then
    Parents.begin_new(g, ids)
  elseif g.group == '' then
    local list = pairs_of(scores, ids)
    in_parts(2000, list, 'ZADD', P .. 'wait:' .. line)
    if g.line then Line.add(line, list) end
    claimable[line] = true
  else
    for i, id in ipairs(ids) do Queue.insert(line, g.group, type(scores) == 'string' and scores or scores[i], id) end
    Queue.write()
    claimable[line] = true
  end
  if g.late then in_parts(2000, pairs_of(whole(g.late), ids), 'ZADD', P .. 'expiring') end
end

-- announce_new adds the events and totals of new tasks, and deletes older replies for their ids.
local function announce_new(g, ids)
  local b, n = Event.batch(g.state, g.kind, g.queue), #ids
  if b.n == 0 then
    b.ids = ids
  else
    for i = 1, n do b.ids[b.n + i] = ids[i] end
  end
  b.n = b.n + n
  Event.put(b, n, '1', nil, nil, nil, nil, g.group ~= '' and g.group or nil)
  if g.reply ~= '' then
    for _, id in ipairs(ids) do call('DEL', P .. 'reply:' .. id) end
  end
  Totals.count('enqueued', n)
  Totals.rate('in', g.queue, n)
end

-- note_large sets a flag in meta if a payload for the queue is large. It returns the settings of the queue.
function Make.note_large(queue, payloads)
  local s = Settings.of(queue)
  if s.large then return s end
  for _, payload in ipairs(payloads) do
    if #payload >= LARGE then
      s.large = '1'
      call('HSET', META, 'large', 1)
    end
  end
  return s
end

-- tasks makes the tasks of a group. sequence is the number before that of the first task. Ids that the caller did not give
-- are in ascending order, so their tasks share one score: Redis sorts equal scores by id. tasks calls refuse for each task
-- that cannot be made. g.tails has the headers of the children of a parent: see Admit.tail_of. Such tasks are not checked.
function Make.tasks(g, ids, payloads, sequence, refuse)
  local tails, tail = g.tails, nil
  if not tails then
    Admit.set_times(g)
    ids, payloads = Admit.select(g, ids, payloads, refuse)
  end
  local n = #ids
  if n == 0 then return end
  local aging = Make.note_large(g.queue, payloads).aging
  if not tails then
    if aging then g.words = Aging.with_word(g.words, g.priority, aging) end
    tail = Admit.tail_of(g)
  end
  local letter, prefix, flag = g.state == 'scheduled' and 's' or 'w', P .. 'task:', '0 '
  if g.extras then letter, flag = Parents.write_extras(g, ids, letter), '1 ' end
  local start = letter .. flag .. string.format('%013.0f', NOW) .. ' '
  local before = (127 - g.priority) * Scores.STEP + (g.state == 'scheduled' and -1 or sequence)
  if aging and g.state ~= 'scheduled' then before = Aging.before(g.priority, aging, n) end
  local scores, records = string.format('%016.0f', before + 1), {}
  if g.given and (n > 1 or tails) and g.state ~= 'scheduled' then
    local one = {}
    for i = 1, n do
      one[i] = string.format('%016.0f', before + i)
      records[2 * i - 1], records[2 * i] = prefix .. ids[i], start .. one[i] .. ' ' .. (tail or tails[i]) .. payloads[i]
    end
    scores = one
  else
    local head = start .. scores .. ' ' .. tail
    for i = 1, n do records[2 * i - 1], records[2 * i] = prefix .. ids[i], head .. payloads[i] end
  end
  in_parts(2000, records, 'MSET')
  index_new(g, ids, scores)
  announce_new(g, ids)
end

-- close writes the collected events and totals, and signals replicas.
function Make.close()
  Trim.close()
  Wake.all()
  if next(scheduled) then Wake.for_next_due() end
  Totals.write()
end
