-- uses: base
-- The event stream. One entry holds up to 50 events of one step that share state, kind, queue and code.

-- This stops a script before its first write if the stream's key has another type.
local EVENTS = P .. 'events'
call('XLEN', EVENTS)
Event.KEY = EVENTS

Event.appended = 0 -- events that are not yet counted in meta
local COLUMNS = { 'v', 'attempt', 'replica', 'wait_ms', 'run_ms', 'group' }
local PER_ENTRY = 50

-- append writes entries for the events of batch b. extra are further fields and values.
local function append(b, extra)
  for first = 1, b.n, PER_ENTRY do
    local last = math.min(first + PER_ENTRY - 1, b.n)
    local entry = { 'state', b.state, 'kind', b.kind, 'queue', b.queue, 'at', NOW_TEXT,
      'ids', table.concat(b.ids, ' ', first, last) }
    local n = 10
    if b.code then
      entry[n + 1], entry[n + 2] = 'code', b.code
      n = n + 2
    end
    for i = 1, #COLUMNS do
      local name = COLUMNS[i]
      local words = b[name]
      if words then
        if type(words) == 'table' then words = table.concat(words, ' ', first, last) end
        entry[n + 1], entry[n + 2] = name, words
        n = n + 2
      end
    end
    for i = 1, extra and #extra or 0 do entry[n + i] = extra[i] end
    call('XADD', EVENTS, '*', unpack(entry))
  end
  Event.appended = Event.appended + b.n
end

-- batch returns the collected events with this state, kind, queue and code: n ids, and columns. A column is absent, one word
-- for all ids, or a list of one word per id. A caller that adds ids increases n and then sets every column with put.
local batches, order = {}, {}
function Event.batch(state, kind, queue, code)
  local key = state .. ' ' .. kind .. ' ' .. queue .. ' ' .. (code or '')
  local b = batches[key]
  if not b then
    b = { n = 0, ids = {}, state = state, kind = kind, queue = queue, code = code }
    batches[key] = b
    order[#order + 1] = b
  end
  return b
end

-- set_column sets one column of the last k ids. A word of nil means none.
local function set_column(b, name, k, word)
  local column = b[name]
  if column == word then return end
  local before = b.n - k
  if type(column) ~= 'table' then
    if before == 0 then
      b[name] = word
      return
    end
    local one = column or '-'
    column = {}
    for i = 1, before do column[i] = one end
    b[name] = column
  end
  for i = before + 1, b.n do column[i] = word or '-' end
end

-- put sets all columns of the last k ids.
function Event.put(b, k, v, attempt, replica, wait_ms, run_ms, group)
  set_column(b, 'v', k, v)
  set_column(b, 'attempt', k, attempt)
  set_column(b, 'replica', k, replica)
  set_column(b, 'wait_ms', k, wait_ms)
  set_column(b, 'run_ms', k, run_ms)
  set_column(b, 'group', k, group)
end

-- add adds the event of one task. extra may have code, attempt, replica, wait_ms, run_ms, error, result, result_bytes,
-- exported, meta, orphan, then_id and then_error. With any of the last eight the event gets an entry of its own.
local ALONE = { 'error', 'result', 'result_bytes', 'exported', 'meta', 'orphan', 'then_id', 'then_error' }
function Event.add(m, id, state, v, extra)
  extra = extra or {}
  local own = {}
  for _, name in ipairs(ALONE) do
    if extra[name] then
      own[#own + 1] = name
      own[#own + 1] = extra[name]
    end
  end
  local b = #own > 0 and { n = 0, ids = {}, state = state, kind = m.kind, queue = m.queue, code = extra.code }
    or Event.batch(state, m.kind, m.queue, extra.code)
  b.n = b.n + 1
  b.ids[b.n] = id
  Event.put(b, 1, whole(v), extra.attempt or nil, extra.replica or nil, extra.wait_ms and whole(extra.wait_ms),
    extra.run_ms and whole(extra.run_ms), m.group)
  if #own > 0 then append(b, own) end
end

-- write appends the collected events to the stream.
function Event.write()
  for _, b in ipairs(order) do append(b) end
  batches, order = {}, {}
end
