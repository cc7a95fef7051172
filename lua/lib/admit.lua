-- uses: base line outcome places queues record scores settings task
-- Which tasks can be made: shared by enqueue and the inbox.

-- read_group reads from ARGV what the tasks of one group of the call share: queue, priority, kind, whether their ids were
-- given, words of the header, number of specials (0, 8 or 11), specials ('' for none; times in ms). The last three are for
-- shards.lua and then.lua. It returns the group, with line if the tasks have labels, and the index of the next argument.
function Admit.read_group(at)
  local g = { queue = ARGV[at], priority = tonumber(ARGV[at + 1]), kind = ARGV[at + 2], given = ARGV[at + 3] == '1',
    words = ARGV[at + 4], group = '', unique = '', delay = '', run_at = '', ttl = '', deadline = '', reply = '' }
  local specials = tonumber(ARGV[at + 5])
  at = at + 6
  if specials > 0 then
    g.group, g.unique, g.delay, g.run_at, g.ttl, g.deadline, g.reply, g.on_limit = unpack(ARGV, at, at + 7)
    local labels = string.match(' ' .. g.words, ' labels=(%S+)')
    g.line = labels and g.queue .. '#' .. labels
    if specials > 8 then g.extras, g.shards, g.params, g.next = true, unpack(ARGV, at + 8, at + 10) end
  end
  return g, at + specials
end

-- set_times sets when the tasks of a group are due, their state, and when they are too late to start. It sets too_short to
-- the names of the bounds that pass before run_at, which the caller has compared with a delay. A task on hold may expire.
function Admit.set_times(g)
  g.due = NOW
  if g.delay ~= '' then g.due = NOW + g.delay elseif g.run_at ~= '' then g.due = tonumber(g.run_at) end
  g.state = g.due > NOW and 'scheduled' or 'waiting'
  if g.ttl ~= '' then g.late = NOW + g.ttl end
  if g.deadline ~= '' then g.late = math.min(g.late or math.huge, NOW + g.deadline) end
  if g.run_at ~= '' and g.state == 'scheduled' and g.late and g.late <= g.due and g.due < Scores.HOLD then
    local names = {}
    for _, name in ipairs({ 'ttl', 'deadline' }) do
      if g[name] ~= '' and NOW + g[name] <= g.due then names[#names + 1] = name end
    end
    g.too_short = table.concat(names, ' ')
  end
end

-- tail_of returns the header of a group's records from the kind on.
function Admit.tail_of(g)
  local tail = g.kind .. ' ' .. (g.queue == 'default' and '-' or g.queue)
  if g.words ~= '' then tail = tail .. ' ' .. g.words end
  if g.state == 'scheduled' then tail = tail .. ' due_at=' .. whole(g.due) end
  if g.late then tail = tail .. ' expires_at=' .. whole(g.late) end
  if g.deadline ~= '' then tail = tail .. ' deadline_at=' .. whole(NOW + g.deadline) end
  return tail .. '\n'
end

-- space returns how many more tasks may wait in the queue. A scheduled task does not count: it does not wait yet.
local spaces = {}
local function space(queue)
  if not spaces[queue] then
    local cap = Settings.of(queue).cap
    spaces[queue] = cap and cap - Line.waiting(queue) or math.huge
  end
  return spaces[queue]
end

-- state_of returns the state of a task, 'unreadable' if its record cannot be read, nil if there is no such task.
local made = {} -- states of the tasks that this call made under given ids
local function state_of(id)
  if made[id] then return made[id] end
  if call('EXISTS', P .. 'task:' .. id) == 0 then return nil end
  local m = Task.load(id)
  return m and m.state or 'unreadable'
end

-- holder_of returns id and state of the live task that holds the unique key, nil if there is none.
function Admit.holder_of(key)
  local holder = redis.pcall('GET', key)
  if type(holder) ~= 'string' then return nil end -- SET will replace a value of another type
  local state = state_of(holder)
  if state and not Record.TERMINAL[state] then return holder, state end
end

-- reply_for_duplicate replies to an entry whose id is taken: at the end of the task that has it, or now if it has ended.
local function reply_for_duplicate(id, state)
  local m = Task.load(id)
  if not m then return end -- made by this call, with the same group, so it replies at its end anyway
  if not Record.TERMINAL[state] then return Task.keep(id, m, 'reply', '1') end
  if redis.pcall('LLEN', P .. 'reply:' .. id) ~= 0 then return end
  local h = call('HMGET', Record.extras_key(id), 'code', 'error', 'result', 'form')
  Outcome.push(id, m.created, state, h[1], h[2] or nil, h[3] or nil, h[4] or 'json')
end

-- TOO_SHORT is what is wrong with the fields in too_short.
Admit.TOO_SHORT = 'must be longer than the time until run_at: the task would end before it may start'

-- PENDING is what is wrong with an id that a parent with live children had.
local PENDING = 'is that of an earlier parent whose children have not ended: use another id, or wait until they have'

-- refusal returns why a task of the group cannot be made: 'dup', id, state or 'invalid', names of fields, what is wrong or
-- 'full', '', '' or 'limit', what is limited, ''. It returns nil if the task can be made.
local function refusal(g, id)
  local state = g.given and state_of(id)
  if state then
    if g.reply ~= '' then reply_for_duplicate(id, state) end
    return 'dup', id, state
  end
  local holder
  if g.unique ~= '' then holder, state = Admit.holder_of(P .. 'unique:' .. g.unique) end
  if holder then return 'dup', holder, state end
  if g.too_short then return 'invalid', g.too_short, Admit.TOO_SHORT end
  if g.extras and call('EXISTS', P .. 'pending:' .. id) == 1 then return 'invalid', 'id', PENDING end
  if g.state == 'waiting' and not g.uncapped and space(g.queue) < 1 then return 'full', '', '' end
  if g.on_limit == 'fail' then
    if not g.places then g.places, g.limited = Places.free(g) end
    if g.places < 1 then return 'limit', g.limited, '' end
  end
end

-- all_new reports whether no id is taken or given twice.
local function all_new(ids)
  local keys, seen = {}, {}
  for i, id in ipairs(ids) do
    if made[id] or seen[id] then return false end
    keys[i], seen[id] = P .. 'task:' .. id, true
  end
  return call('EXISTS', unpack(keys)) == 0
end

-- select returns ids and payloads of the tasks of a group that can be made. It calls refuse(index, why, id, state) for each
-- of the others.
function Admit.select(g, ids, payloads, refuse)
  local one_by_one = g.too_short or g.unique ~= '' or g.given and not all_new(ids)
    or g.state == 'waiting' and space(g.queue) < #ids or g.on_limit == 'fail' or g.extras
  local new, new_payloads = ids, payloads
  if one_by_one then
    new, new_payloads = {}, {}
    for i, id in ipairs(ids) do
      local why, other, state = refusal(g, id)
      if why then
        refuse(i, why, other, state)
      else
        new[#new + 1], new_payloads[#new_payloads + 1] = id, payloads[i]
        made[id] = g.state
        if g.unique ~= '' then call('SET', P .. 'unique:' .. g.unique, id) end
        if g.state == 'waiting' then spaces[g.queue] = space(g.queue) - 1 end
        if g.places then g.places = g.places - 1 end
      end
    end
  else
    if g.given then
      for _, id in ipairs(ids) do made[id] = g.state end
    end
    if g.state == 'waiting' then spaces[g.queue] = space(g.queue) - #ids end
  end
  return new, new_payloads
end
