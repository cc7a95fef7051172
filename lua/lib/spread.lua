-- uses: base broadcast children finish gather line loss parents record settings shards stopping task
-- Steps that make the children of a running parent, stop those of a parent that has ended, or end tasks that only a replica
-- could run that has gone.

-- The bounds of one step: children to make, children to stop, and bytes of records. A child whose id is taken costs as much
-- as CLASH others, and a child of a broadcast, which has a line of its own, as much as ALONE others.
local PAGE, STOPS, BYTES, CLASH, ALONE = 500, 100, 2097152, 5, 12.5
-- WAIT is the number of ms until a step is tried again, if the queue is full or an earlier child has to end first.
local WAIT = 500

-- room returns how many children one step may make.
local function room(g)
  local cap = Settings.of(g.queue).cap
  local n = math.max(math.floor(BYTES / (#g.payload + 300)), 1)
  return math.min(n, PAGE, cap and cap - Line.waiting(g.queue) or PAGE)
end

-- stop_ahead stops children from an index on that are not those of the parent as it is now, while the cursor waits. It
-- returns the first index that it has not looked at.
local function stop_ahead(p, g, index, total, left, is_done)
  local clash = g.broadcast and ALONE or CLASH
  while index < total and left > 0 do
    left = left - (not is_done(index) and Children.stop_other(p, g, index) and clash or 0.2)
    index = index + 1
  end
  call('HSET', Record.extras_key(p.id), 'shards_ahead', whole(index))
  return index
end

-- advance makes children from the cursor on. It returns their number, and the time of the next step, nil for none.
local function advance(p)
  local extras, total = Record.extras_key(p.id), Shards.total(p)
  local h = call('HMGET', extras, 'shards_next', 'shard_params', 'shards_rerun', 'shards_ahead')
  local g = Children.template(p, total, split(h[2] or ''))
  local left, cost, clash = room(g), 1, CLASH
  if g.broadcast then cost, clash = ALONE, ALONE end
  local index, new, at, waits = number(h[1]) or 0, {}, nil, left < 1
  if index == 0 then Gather.restore(p.id) end
  local is_pending, pages = call('EXISTS', Parents.pending(p.id)) == 1, {}
  local function is_done(i)
    local at_page = i % Shards.PAGE
    local page = (i - at_page) / Shards.PAGE
    pages[page] = pages[page] or Shards.letters(p.id, whole(page))
    return string.sub(pages[page], at_page + 1, at_page + 1) ~= '-'
      or is_pending and call('SISMEMBER', Parents.pending(p.id), whole(i)) == 1
  end
  while index < total and left >= 1 do
    local what, taken
    if is_done(index) then left = left - 0.2
    else
      what, taken = Children.handle(p, g, index, h[3] ~= '1')
      if what == 'wait' then
        waits = stop_ahead(p, g, math.max(index + 1, number(h[4]) or 0), total, left - 0.2, is_done) >= total
        break
      end
      left = left - (taken and clash or 0)
    end
    if what == 'make' then new[#new + 1], left = index, left - cost end
    index = index + 1
  end
  local n = #new
  Children.make(p, g, new)
  call('HSET', extras, 'shards_next', whole(index))
  if index < total then at = whole(NOW + (waits and WAIT or 0)) end
  return n, at
end

-- stop_some stops children of a parent that has ended. p is the task with the id of the parent: the parent, another task, or
-- nil. It returns the number of stopped children, and the time of the next step, nil for none.
local function stop_some(id, p)
  local n, key, kept, own_lines = 0, Parents.pending(id), {}, not p or p.shards == Broadcast.ALL
  local some = Record.soft('SPOP', key, own_lines and PAGE / ALONE or STOPS)
  if not some then return 0, nil end -- a key of another type, which the doctor renames
  for _, index in ipairs(some) do
    local m = Task.load(id .. '/' .. index)
    if m and m.shard and Stopping.request(m.id, Shards.OVER) == '' then kept[#kept + 1] = index -- its extras are damaged
    else
      if p and p.shards then Shards.note(p, tonumber(index), 'stopped', 'stopped') end
      n = n + 1
    end
  end
  if kept[1] then call('SADD', key, unpack(kept)) end
  return n, call('EXISTS', key) == 1 and whole(NOW + (n > 0 and 0 or WAIT)) or nil
end

-- step handles an entry of spreading. It returns how many children it has made, and how many it has stopped or ended.
function Spread.step(id)
  local replica, line = string.match(id, '^replica (.+)$'), string.match(id, '^line (.+)$')
  if replica or line then
    local ended, next_at
    if replica then ended, next_at = Loss.some(replica) else ended, next_at = Loss.line(line) end
    if next_at then call('ZADD', Parents.SPREADING, next_at, id) else call('ZREM', Parents.SPREADING, id) end
    return 0, ended
  end
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
