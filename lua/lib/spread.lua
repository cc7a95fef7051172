-- uses: aging base finish line make parents queue record request revive settings shards stopping task words
-- Steps that make the children of a running parent, and stop those of a parent that has ended.

-- The bounds of one step: children to make, to stop, and bytes of records. A child that is there takes as long as CLASH new
-- ones.
local PAGE, STOPS, BYTES, CLASH = 500, 100, 2097152, 5
-- WAIT is after how many ms a step is tried again if the queue is full, or an earlier child has to end first.
local WAIT = 500

-- template returns what the children of a parent have in common: the group of Make, the header of their records from the
-- kind on, and the payload.
local OWN = { 'aged', 'unique', 'reply', 'trigger', 'shards', 'fail_fast', 'then', 'due_at' }
local function template(p)
  local record = call('GET', Record.key(p.id))
  local stop = string.find(record, '\n', Words.KIND_AT, true)
  local names, words = string.match(string.sub(record, Words.KIND_AT, stop - 1), '^(%S+ %S+)(.*)$')
  for _, name in ipairs(OWN) do words = string.gsub(words, ' ' .. name .. '=%S+', '') end
  local priority, aging, head = Aging.priority(p, p.score), Settings.of(p.queue).aging, names .. words
  if aging then head = Aging.with_word(head, priority, aging) end
  return { queue = p.queue, line = p.labels and p.line, kind = p.kind, priority = priority,
    group = p.group or '', state = 'waiting', due = NOW, late = p.late_at, reply = '', deadline = '', given = true,
    tail = head .. ' shard=' .. p.shards, payload = string.sub(record, stop + 1) }
end

-- tail_of returns the header of one child. params has the parameters as JSON texts.
local function tail_of(g, params, index)
  local param = params[index + 1]
  return g.tail .. (param and ' shard_param=' .. param or '') .. '\n'
end

local function refuse(p, index, why) Shards.note(p, index, 'failed', 'children', why) end

-- put_back lets an ended child run again, with the header and the payload that a new one would have.
local function put_back(p, g, m, tail, exports)
  local score = Aging.behind(p.queue, g.priority, function() return call('HINCRBY', META, 'seq', 1) end)
  local start = m.letter .. '1 ' .. string.format('%013.0f', m.created) .. ' '
  call('SET', Record.key(m.id), start .. score .. ' ' .. tail .. g.payload)
  Revive.task(Task.load(m.id), score, exports)
end

-- meet handles an index whose id is taken. It returns what to do with it: make, or wait for its end; nil for nothing more.
local function meet(p, g, index, id, tail, exports)
  local m = Task.load(id)
  if not m then return refuse(p, index, 'its id is that of a record that cannot be read') end
  if not m.shard then return refuse(p, index, 'its id is that of another task') end
  if Record.TERMINAL[m.state] then
    call('ZREM', P .. 'ended:' .. m.state, id)
    if m.created >= p.created then
      call('SADD', Parents.pending(p.id), index)
      return put_back(p, g, m, tail, exports)
    end
    call('DEL', Record.key(id), Record.extras_key(id), P .. 'history:' .. id)
    return 'make'
  end
  if Request.of(m) then return 'wait' end
  if m.created < p.created then return refuse(p, index, 'its id is that of a task of an earlier parent') end
  call('SADD', Parents.pending(p.id), index)
end

-- make makes children with these indexes.
local function make(p, g, indexes, params)
  local n = #indexes
  if n == 0 then return end
  local ids, payloads = {}, {}
  g.tails = {}
  for i, index in ipairs(indexes) do
    ids[i], payloads[i], g.tails[i] = p.id .. '/' .. whole(index), g.payload, tail_of(g, params, index)
    indexes[i] = whole(index)
  end
  Make.tasks(g, ids, payloads, call('HINCRBY', META, 'seq', n) - n)
  in_parts(2000, indexes, 'SADD', Parents.pending(p.id))
end

-- room returns how many children one step may make.
local function room(g)
  local cap = Settings.of(g.queue).cap
  local n = math.max(math.floor(BYTES / (#g.payload + 300)), 1)
  return math.min(n, PAGE, cap and cap - Line.waiting(g.queue) or PAGE)
end

-- advance makes children from the cursor on. It returns how many, and the time of the next step, nil for none.
local function advance(p)
  local extras, total, g = Record.extras_key(p.id), tonumber(p.shards or 0), template(p)
  local h = call('HMGET', extras, 'shards_next', 'shard_params', 'shards_rerun')
  local params, left = split(h[2] or ''), room(g)
  local index, new, at, waits = number(h[1]) or 0, {}, nil, left < 1
  local is_pending, pages = call('EXISTS', Parents.pending(p.id)) == 1, {}
  while index < total and left >= 1 do
    local id, at_page = p.id .. '/' .. whole(index), index % Shards.PAGE
    local page = (index - at_page) / Shards.PAGE
    pages[page] = pages[page] or Shards.letters(p.id, whole(page))
    local done = string.sub(pages[page], at_page + 1, at_page + 1) ~= '-'
      or is_pending and call('SISMEMBER', Parents.pending(p.id), whole(index)) == 1
    local what
    if done then left = left - 0.2
    elseif call('EXISTS', Record.key(id)) == 0 then what = 'make'
    else
      what = meet(p, g, index, id, tail_of(g, params, index), h[3] ~= '1')
      left = left - CLASH
    end
    if what == 'wait' then
      waits = true
      break
    end
    if what == 'make' then new[#new + 1], left = index, left - 1 end
    index = index + 1
  end
  local n = #new
  make(p, g, new, params)
  Queue.write()
  call('HSET', extras, 'shards_next', whole(index))
  if index < total then at = whole(NOW + (waits and WAIT or 0)) end
  return n, at
end

-- stop_some stops children of a parent that has ended, p; nil if it is gone. It returns how many, and the time of the next
-- step, nil for none.
local function stop_some(id, p)
  local n, key = 0, Parents.pending(id)
  local some = Record.soft('SPOP', key, STOPS)
  if not some then return 0, nil end -- a key of another type, which the doctor renames
  for _, index in ipairs(some) do
    local m = Task.load(id .. '/' .. index)
    if m and m.shard then Stopping.request(m.id, Shards.OVER) end
    if p then Shards.note(p, tonumber(index), 'stopped', 'stopped') end
    n = n + 1
  end
  return n, call('EXISTS', key) == 1 and NOW_TEXT or nil
end

-- step handles a parent. It returns how many children it has made and stopped.
function Spread.step(id)
  local p, made, stopped, at = Task.load(id), 0, 0, nil
  local runs = p and p.letter == 'r'
  if runs then made, at = advance(p) else stopped, at = stop_some(id, p) end
  if at then call('ZADD', Parents.SPREADING, at, id) else call('ZREM', Parents.SPREADING, id) end
  if runs then
    local state, code, result, error = Shards.outcome(p)
    if state then Finish.task(p, state, code, result, error, 'json') end
  end
  return made, stopped
end
