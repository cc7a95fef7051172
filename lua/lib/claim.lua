-- uses: base batch candidate keeper line merge offer rate settings takeover wake
-- Claims: hand the best waiting tasks of a queue to a replica.

-- MOST is how many tasks one call hands out at most.
local MOST = 200

-- take_some removes up to n candidates from the lines and starts those that can start, until want tasks have been started in
-- this call. It puts back the candidates that it did not reach. It returns whether the lines may have more.
local function take_some(step, queue, lines, n, want)
  local line, prefix, keys = lines[1], P .. 'task:', {}
  local waiting = P .. 'wait:' .. line
  local ids, of, last_score, more
  if lines[2] then
    ids, of, last_score = Merge.take(lines, n)
    more = last_score ~= nil
  else
    ids = call('ZRANGE', waiting, 0, n - 1)
  end
  local found = #ids
  if found == 0 then return false end
  if not of then
    call('ZREMRANGEBYRANK', waiting, 0, found - 1)
    if line ~= queue then Line.drop(line, ids) end
    more = found == n
  end
  for i = 1, found do keys[i] = prefix .. ids[i] end
  local records = call('MGET', unpack(keys))
  if not last_score then
    last_score = more and records[n] and string.sub(records[n], 18, 33) or '9999999999999999'
  end
  local i = 1
  while i <= #ids and step.started < want and step.bytes < step.most_bytes and step.budget > 0 do
    if of then line = of[i] end
    local plain = records[i] and Batch.start_plain(step, line, ids, records, i, want - step.started) or 0
    if plain == 0 then
      local group = Candidate.start(step, queue, line, ids[i], records[i])
      if group then Candidate.insert_next_head(line, group, ids, records, i, last_score, of) end
      step.budget = step.budget - 1
      plain = 1
    end
    i = i + plain
  end
  if of then
    Merge.put_back(ids, of, records, i)
    return more or i <= #ids
  end
  local rest = {}
  for j = i, #ids do
    local score = records[j] and string.sub(records[j], 18, 33)
    if number(score) then
      rest[#rest + 1] = score
      rest[#rest + 1] = ids[j]
    end
  end
  in_parts(2000, rest, 'ZADD', waiting)
  if line ~= queue then Line.add(line, rest) end
  return more or i <= #ids
end

-- exhausted removes a queue in which a claim found no more claimable tasks from the ready queues. A step that makes a task
-- claimable marks the queue as ready again. If the pool's own limit has room, Wake.all signals replicas for the queues that
-- it held back. step is given if the claim was one from several lines.
local function exhausted(queue, step)
  if step then return Offer.exhausted(queue, Wake, step) end
  for _, class in ipairs(Wake.classes(queue)) do call('ZREM', P .. 'ready:' .. class, queue) end
  local s = Settings.of(queue)
  if not (s.pool_limit or s.rate) then return end
  local _, by = Settings.room(queue)
  if s.pool_limit and by ~= true then freed.pool = true end
  if by and call('ZCARD', P .. 'wait:' .. queue) > 0 then Keeper.note(queue, by) end
end

-- from starts up to n tasks of a queue. Tasks that wait for a take-over come first. It returns 's' if the queue has no more
-- claimable tasks for the replica for now, else 'f'. It removes tasks that cannot start (no record, too late, group full)
-- from the queue, a bounded number per exchange. If the pool has large payloads, it reads records in chunks that double in
-- size, until the reply is long enough.
function Claim.from(step, queue, n)
  local settings = Settings.of(queue)
  local lines = (settings.lines or step.exclusive) and Merge.lines(step, queue)
  if settings.takeover or lines and Merge.has_takeover(lines) then
    local first, more = step.started, false
    for _, line in ipairs(lines or { queue }) do
      more = Takeover.claim(step, queue, line, math.min(n - step.started + first, MOST - step.started)) or more
    end
    n = n - step.started + first
    if more then
      Batch.write(step, queue)
      return 'f'
    end
  end
  local free, before = Settings.room(queue), step.started
  local want = step.started + math.min(n, free, MOST - step.started)
  local sources = lines and Merge.sources(lines, queue) or { queue }
  local has_more, chunk = free > 0 and sources[1] ~= nil, settings.large and 1 or MOST
  while has_more and step.started < want and step.bytes < step.most_bytes and step.budget > 0 do
    has_more = take_some(step, queue, sources, math.min(want - step.started, chunk), want)
    chunk = chunk * 2
  end
  if settings.rate then Rate.take(Rate.queue_key(queue), settings.rate, step.started - before) end
  if settings.rate or step.rated then Rate.write() end
  Batch.write(step, queue)
  if lines then has_more = Merge.close(step, queue, lines)
  else has_more = has_more and call('ZCARD', P .. 'wait:' .. queue) > 0 end
  if has_more and Settings.room(queue) > 0 then return 'f' end
  exhausted(queue, lines and step)
  return 's'
end

-- ready returns ready queues of a class, at most 64, without those that the replica claims from in this call or reports as
-- busy. If there are none, the replica becomes idle. If there are many, they begin at a random one, so that each of them is
-- returned soon. own is set if the replica has open lines of its own.
function Claim.ready(class, replica, busy, claimed, own)
  local key, names, window = P .. 'ready:' .. class, {}, 64
  for _ in pairs(busy) do window = window + 1 end
  for _ in pairs(claimed) do window = window + 1 end
  local all, from = call('ZCARD', key), 0
  if all > window then from = math.random(0, all - 1) end
  local function collect(first, last)
    for _, queue in ipairs(call('ZRANGE', key, first, last)) do
      if not busy[queue] and not claimed[queue] and #names < 64 then names[#names + 1] = queue end
    end
  end
  if own then
    key = P .. 'ready:' .. replica
    collect(0, window - 1)
    key = P .. 'ready:' .. class
  end
  if all > 0 then collect(from, from + window - 1) end
  if from > 0 and from + window > all then collect(0, from + window - all - 1) end
  if #names == 0 then call('ZADD', P .. 'idle:' .. class, NOW_TEXT, replica) end
  return table.concat(names, ' ')
end
