-- uses: base event exit finish full policy queue record request retries start task totals
-- Staged results: results of kinds with an exporter, until a replica has saved them.
--
-- A task whose handler has succeeded is exporting. more:ID has its result in staged, and what the end of the task needs. The
-- task waits in the queue export:KIND, or on the schedule after a failed save. A claim from that queue hands it out for a
-- save, under a fence and a lease, with a run entry in run:export:KIND. staged:KIND has the exporting tasks of the kind.

-- KEPT are the extras that the end of the task needs, DROPPED all that are removed when the result is saved.
local KEPT = { 'replica', 'fence', 'started_at', 'run_ms', 'meta', 'staged_form' }
local DROPPED = { 'staged', 'staged_form', 'staged_generation', 'saves_failed', 'run_ms', 'meta', 'save_at' }

-- insert puts an exporting task into the queue of its kind.
local function insert(m)
  local line = Record.EXPORT .. m.kind
  Queue.insert(line, nil, m.score, m.id)
  claimable[line] = true
end

-- begin makes a task whose attempt has succeeded an exporting one. The caller has removed it from the running tasks.
function Staged.begin(m, result, form)
  local v, key = m.v + 1, Record.extras_key(m.id)
  local extras = { 'v', whole(v), 'attempt', m.attempt, 'code', 'ok', 'replica', m.replica, 'fence', m.fence, 'started_at',
    whole(m.start), 'run_ms', whole(math.max(NOW - m.start, 0)), 'staged', result, 'staged_form', form, 'staged_generation',
    m.flag == '1' and call('HGET', key, 'generation') or '0' }
  Record.extra(extras, 'meta', m.meta)
  call('HSET', key, unpack(extras))
  Task.drop_checkpoint(m, 'error', 'stop')
  if m.log then Finish.add_history(m, 'ok') end
  call('SETRANGE', Record.key(m.id), 0, 'e1')
  if m.late_at then call('ZREM', P .. 'expiring', m.id) end
  call('SADD', P .. 'staged:' .. m.kind, m.id)
  insert(m)
  Event.add(m, m.id, 'exporting', v, { code = 'ok', attempt = m.attempt, replica = m.replica, run_ms = NOW - m.start })
end

-- again makes an ended task with a staged result an exporting one of a new generation. The caller has removed it from the
-- index of ended tasks.
function Staged.again(m, score)
  local key = Record.extras_key(m.id)
  call('HDEL', key, 'saves_failed', 'save_at')
  call('HSET', key, 'v', whole(m.v + 1), 'generation', whole(Task.counted_up(m.id, m, 'generation')))
  call('SETRANGE', Record.key(m.id), 0, 'e1')
  call('SETRANGE', Record.key(m.id), 17, score)
  call('SADD', P .. 'staged:' .. m.kind, m.id)
  m.score = score
  insert(m)
  Event.add(m, m.id, 'exporting', m.v + 1)
  Totals.count('retried')
end

-- time_to_save returns how many ms a save of a result of the kind may take.
function Staged.time_to_save(kind)
  local p = Policy.of(kind).export
  return number(p and p.timeout_ms) or 60000
end

-- start hands out an exporting task for a save.
function Staged.start(step, queue, id, record, words)
  if queue ~= Record.EXPORT .. words.kind then return Totals.count('orphans') end
  local extras = call('HGETALL', Record.extras_key(id))
  local h = fields(extras)
  Start.task(step, queue, { id = id, record = record, words = words, flag = '1',
    attempt = number(h.attempt) and h.attempt or '1', v = whole(number(h.v) or 1), extras = extras,
    bound = Staged.time_to_save(words.kind), save = true })
end

-- close ends an exporting task that is in no index but staged:KIND.
local function close(m, state, code, result, error, form)
  local key = Record.extras_key(m.id)
  local h = call('HMGET', key, unpack(KEPT))
  call('SREM', P .. 'staged:' .. m.kind, m.id)
  m.queue, m.group = m.home, m.home_group
  m.run, m.replica, m.fence, m.start, m.run_ms, m.meta = {}, h[1], h[2], number(h[3]) or NOW, number(h[4]) or 0, h[5] or nil
  if state == 'succeeded' then
    call('HDEL', key, 'error', unpack(DROPPED))
    m.exported = h[6] or 'bytes'
  end
  Finish.task(m, state, code, result, error, form)
  Full.unblock(m.kind, 20)
end

-- put_back makes an exporting task wait for its next save.
local function put_back(m, delay, code, error)
  local key, v = Record.extras_key(m.id), m.v + 1
  call('HSET', key, 'v', whole(v), 'code', code, 'save_at', whole(NOW + delay))
  if error then call('HSET', key, 'error', error) end
  if delay > 0 then
    call('ZADD', P .. 'scheduled', whole(NOW + delay), m.id)
    scheduled[m.id] = m.queue
  else
    insert(m)
  end
  Event.add({ kind = m.kind, queue = m.home, group = m.home_group }, m.id, 'exporting', v,
    { code = code, attempt = m.attempt, replica = m.replica, run_ms = NOW - m.start, error = error })
end

-- failed counts a save that has failed. It is tried again after delay (nil: the backoff), unless it was the last one or
-- final.
local function failed(m, error, final, delay)
  local n, p = Task.counted_up(m.id, m, 'saves_failed'), Policy.of(m.kind).export or {}
  call('HSET', Record.extras_key(m.id), 'saves_failed', whole(n))
  local most = tonumber(p.attempts or nil) or 100
  if final or n >= most then
    return close(m, 'failed', 'export', nil, 'the export failed, after ' .. whole(n) .. ' of ' .. whole(most) ..
      ' saves; the result is kept for a retry: ' .. error)
  end
  put_back(m, delay or Retries.backoff_ms(p.backoff, n), 'export', error)
end

-- finish ends a save as the report of its replica at ARGV[at] says. Its log and meta are ignored.
local FINAL = { permanent = true, bad_payload = true }
function Staged.finish(op, at, m)
  Exit.clean_up(m)
  op = string.match(op, '^%l+')
  if op == 'ok' then return close(m, 'succeeded', 'ok') end
  if op == 'result' then return close(m, 'succeeded', 'ok', ARGV[at + 1], nil, ARGV[at + 2]) end
  if op == 'log' then
    local has = ARGV[at + 3] == '1'
    return close(m, 'succeeded', 'ok', has and ARGV[at + 4] or nil, nil, has and ARGV[at + 5] or nil)
  end
  local stop, code, error = Request.of(m), ARGV[at + 3], ARGV[at + 4]
  if stop then return close(m, 'stopped', 'stopped', nil, stop) end
  if op == 'release' then return put_back(m, tonumber(error), code) end
  if op == 'fail' or op == 'again' then return failed(m, error, FINAL[code], tonumber(ARGV[at + 5])) end
  failed(m, 'a save can only succeed, fail or be released', true)
end

-- take_back ends a save whose lease has ended, as a failed one.
function Staged.take_back(m)
  Exit.add(m.queue, m.id)
  Exit.clean_up(m)
  local stop = Request.of(m)
  if stop then return close(m, 'stopped', 'stopped', nil, stop) end
  failed(m, 'lease of replica ' .. m.replica .. ' ended without a report')
end

-- stop ends an exporting task that no replica saves now.
function Staged.stop(m, why)
  call('ZREM', P .. 'scheduled', m.id)
  Queue.remove(m.queue, nil, m.score, m.id)
  close(m, 'stopped', 'stopped', nil, why)
end
