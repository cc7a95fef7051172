-- uses: aging base broadcast event gather make parents queue record removal request reuse revive settings shards stopping
-- uses: task words
-- The children of a running parent.

-- template returns a group for Make with the values that all children of a parent share. head and words are the header of
-- their records from the kind on; the labels of a child of a broadcast come between them. params has the parameters as JSON
-- texts; for a broadcast, its members.
local OWN = { 'aged', 'unique', 'reply', 'trigger', 'shards', 'fail_fast', 'then', 'due_at' }
function Children.template(p, total, params)
  local record = call('GET', Record.key(p.id))
  local stop = string.find(record, '\n', Words.KIND_AT, true)
  local names, words = string.match(string.sub(record, Words.KIND_AT, stop - 1), '^(%S+ %S+)(.*)$')
  local broadcast, priority, aging = p.shards == Broadcast.ALL, Aging.priority(p, p.score), Settings.of(p.queue).aging
  for _, name in ipairs(OWN) do words = string.gsub(words, ' ' .. name .. '=%S+', '') end
  if broadcast then
    local group = string.match(words, '^ group=%S+') or ''
    names, words = names .. group, string.gsub(string.sub(words, #group + 1), '^ labels=%S+', '')
  end
  if aging then words = ' ' .. Aging.with_word(string.sub(words, 2), priority, aging) end
  return { queue = p.queue, line = p.labels and p.line, kind = p.kind, priority = priority,
    group = p.group or '', state = 'waiting', due = NOW, late = p.late_at, reply = '', deadline = '', given = true,
    head = names, words = words .. ' shard=' .. whole(total), payload = string.sub(record, stop + 1), params = params,
    broadcast = broadcast, labels = p.labels }
end

-- tail_of returns the header of one child.
local function tail_of(g, index)
  local member, param = Broadcast.member_of(g, index), g.params[index + 1]
  if not member then return g.head .. g.words .. (param and ' shard_param=' .. param or '') .. '\n' end
  return g.head .. ' labels=' .. Broadcast.labels_of(member, g.labels) .. g.words .. ' member=' .. member .. '\n'
end

local function refuse(p, index, why) Shards.note(p, index, 'failed', 'children', why) end

-- put_back lets an ended child run again, with the header and the payload that a new one would have.
local function put_back(p, g, m, tail, exports)
  local score = Aging.behind(p.queue, g.priority, function() return call('HINCRBY', META, 'seq', 1) end)
  local start = m.letter .. '1 ' .. string.format('%013.0f', m.created) .. ' '
  call('SET', Record.key(m.id), start .. score .. ' ' .. tail .. g.payload)
  Revive.task(Task.load(m.id), score, exports)
end

local replace

-- meet handles an index whose id is taken. It returns what to do with it: make, or wait for its end; nil for nothing more.
local function meet(p, g, index, id, exports)
  local m, is_damaged = Task.load_to_change(id)
  if is_damaged then return 'wait' end -- until the doctor has renamed its extras
  if not m then return refuse(p, index, 'its id is that of a record that cannot be read') end
  if not m.shard then return refuse(p, index, 'its id is that of another task') end
  if Reuse.ended_now(p, g, m, index) then
    local h = call('HMGET', Record.extras_key(id), 'result', 'form')
    if h[1] then Gather.add(p.id, whole(index), h[1], h[2] or 'json', Shards.total(p)) end
    return Shards.note(p, index, 'succeeded', 'ok')
  end
  if Record.TERMINAL[m.state] then
    call('ZREM', P .. 'ended:' .. m.state, id)
    if m.created >= p.created then
      call('SADD', Parents.pending(p.id), index)
      return put_back(p, g, m, tail_of(g, index), exports and not Reuse.why_not(p, g, m, index))
    end
    call('DEL', Record.key(id), Record.extras_key(id), P .. 'history:' .. id)
    return 'make'
  end
  if Request.of(m) then return 'wait' end
  if Reuse.stays(p, g, m, index) then return refuse(p, index, 'its id is that of a task of an earlier parent') end
  local why = Reuse.why_not(p, g, m, index)
  if why then return replace(p, g, m, index, exports, why) end
  call('SADD', Parents.pending(p.id), index)
end

-- replace stops a child, so that one with another payload, or for another replica, follows. It returns what meet returns. A
-- child that does not run ends at once.
function replace(p, g, m, index, exports, why)
  local state = Stopping.request(m.id, why)
  if m.run or state ~= 'stopped' then return 'wait' end
  Event.write()
  Removal.write()
  if call('EXISTS', Record.key(m.id)) == 0 then return 'make' end
  return meet(p, g, index, m.id, exports)
end

-- stop_other stops a live child that handle would replace. It returns whether the id of the child is taken.
function Children.stop_other(p, g, index)
  local m, is_damaged = Task.load_to_change(p.id .. '/' .. whole(index))
  if not m then return is_damaged end
  if m.shard and not Record.TERMINAL[m.state] and not Request.of(m) and not Reuse.stays(p, g, m, index) then
    local why = Reuse.why_not(p, g, m, index)
    if why then Stopping.request(m.id, why) end
  end
  return true
end

-- handle handles an index of which no child is pending or has ended. It returns what to do with it: make, or wait; nil for
-- nothing more. It also returns whether the id was taken.
function Children.handle(p, g, index, exports)
  local member, id = Broadcast.member_of(g, index), p.id .. '/' .. whole(index)
  local why = member and Broadcast.missing(member)
  if why then return Shards.note(p, index, 'failed', 'lost', why) end
  if call('EXISTS', Record.key(id)) == 0 then return 'make', false end
  return meet(p, g, index, id, exports), true
end

-- make_each makes the children of a broadcast. Each is in a line of its own.
local function make_each(g, indexes, ids, tails, sequence)
  for i, id in ipairs(ids) do
    local member = Broadcast.member_of(g, indexes[i])
    g.line, g.tails = g.queue .. '#' .. Broadcast.labels_of(member, g.labels), { tails[i] }
    Make.tasks(g, { id }, { g.payload }, sequence + i - 1)
    Record.soft('SADD', Broadcast.key(member), id)
  end
end

-- make makes children with these indexes.
function Children.make(p, g, indexes)
  local n = #indexes
  if n == 0 then return end
  local ids, payloads, tails, members = {}, {}, {}, {}
  for i, index in ipairs(indexes) do
    ids[i], payloads[i], tails[i] = p.id .. '/' .. whole(index), g.payload, tail_of(g, index)
    members[i] = whole(index)
  end
  local sequence = call('HINCRBY', META, 'seq', n) - n
  if g.broadcast then make_each(g, indexes, ids, tails, sequence)
  else
    g.tails = tails
    Make.tasks(g, ids, payloads, sequence)
  end
  in_parts(2000, members, 'SADD', Parents.pending(p.id))
end
