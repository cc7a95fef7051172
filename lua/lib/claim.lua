-- uses: base batch candidate rate settings takeover wake
-- Claims: hand the best waiting tasks of a queue to a replica.

-- MOST is how many tasks one call hands out at most.
local MOST = 200

-- take_some removes up to n candidates from the queue and starts those that can start, until want tasks have been started in
-- this call. It puts back the candidates that it did not reach. It returns whether the queue may have more.
local function take_some(step, queue, n, want)
  local waiting = P .. 'wait:' .. queue
  local ids = call('ZRANGE', waiting, 0, n - 1)
  local found, prefix, keys = #ids, P .. 'task:', {}
  if found == 0 then return false end
  call('ZREMRANGEBYRANK', waiting, 0, found - 1)
  for i = 1, found do keys[i] = prefix .. ids[i] end
  local records = call('MGET', unpack(keys))
  local last_score = found == n and records[n] and string.sub(records[n], 18, 33) or '9999999999999999'
  local i = 1
  while i <= #ids and step.started < want and step.bytes < step.most_bytes and step.budget > 0 do
    local plain = records[i] and Batch.start_plain(step, queue, ids, records, i, want - step.started) or 0
    if plain == 0 then
      local group = Candidate.start(step, queue, ids[i], records[i])
      if group then Candidate.insert_next_head(queue, group, ids, records, i, last_score) end
      step.budget = step.budget - 1
      plain = 1
    end
    i = i + plain
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
  return found == n or i <= #ids
end

-- from starts up to n tasks of a queue. Tasks that wait for a take-over come first. It returns 's' if the queue has no more
-- claimable tasks for now, else 'f'. It removes tasks that cannot start (no record, too late, group full) from the queue, a
-- bounded number per exchange. If the pool has large payloads, it reads records in chunks that double in size, until the
-- reply is long enough.
function Claim.from(step, queue, n)
  local settings = Settings.of(queue)
  if settings.takeover then
    n = n - Takeover.claim(step, queue, math.min(n, MOST - step.started))
    if settings.takeover then
      Batch.write(step, queue)
      return 'f'
    end
  end
  local free, before = Settings.room(queue), step.started
  local want = step.started + math.min(n, free, MOST - step.started)
  local has_more, chunk = free > 0, settings.large and 1 or MOST
  while has_more and step.started < want and step.bytes < step.most_bytes and step.budget > 0 do
    has_more = take_some(step, queue, math.min(want - step.started, chunk), want)
    chunk = chunk * 2
  end
  if settings.rate then Rate.take(Rate.queue_key(queue), settings.rate, step.started - before) end
  if settings.rate or step.rated then Rate.write() end
  Batch.write(step, queue)
  if has_more and call('ZCARD', P .. 'wait:' .. queue) > 0 and Settings.room(queue) > 0 then return 'f' end
  Wake.exhausted(queue)
  return 's'
end
