-- uses: base broadcast event outcome record removal retention shards task then totals triggers
-- The end of a task.

-- take_log sets log and log_size of a task whose attempt has ended: the log that was reported, or else the one that the
-- replica wrote while the attempt ran. It removes the latter from the extras.
function Finish.take_log(m, log, size)
  if log and log ~= '' then m.log, m.log_size = log, size end
  if m.flag ~= '1' then return end
  local key = Record.extras_key(m.id)
  local live = call('HMGET', key, 'log_fence', 'log', 'log_size')
  if not live[1] then return end
  if not m.log and live[1] == m.fence and live[2] and live[2] ~= '' then m.log, m.log_size = live[2], live[3] end
  call('HDEL', key, 'log', 'log_size', 'log_fence')
end

-- add_history adds an attempt, with its log, to the task's history, which keeps the newest ten.
function Finish.add_history(m, code, error)
  local key = P .. 'history:' .. m.id
  local length = call('RPUSH', key, cjson.encode({
    attempt = tonumber(m.attempt), code = code, at = NOW, run_ms = NOW - m.start, replica = m.replica,
    error = error or '', log = m.log or '', log_size = m.log and number(m.log_size),
  }))
  if length > 10 then call('LTRIM', key, -10, -1) end
  m.has_history = true
end

-- add_repeated adds an attempt to the history. It replaces one with the same code just before it, so that a task that is
-- released again and again does not remove its failures from the history.
function Finish.add_repeated(m, code, error)
  local key = P .. 'history:' .. m.id
  local last = call('LRANGE', key, -1, -1)[1]
  if last and string.find(last, '"code":"' .. code .. '"', 1, true) then call('LTRIM', key, 0, -2) end
  Finish.add_history(m, code, error)
end

-- keep_ended writes the extras of a task that has ended, and keeps it for so many ms.
local function keep_ended(m, state, v, code, result, error, keep, form, unarchived)
  local extras = { 'v', whole(v), 'code', code, 'ended_at', NOW_TEXT, 'attempt', m.attempt }
  Record.extra(extras, 'result', result)
  Record.extra(extras, 'form', result and form ~= 'json' and form)
  Record.extra(extras, 'exported', m.exported)
  Record.extra(extras, 'error', error)
  Record.extra(extras, 'failures', m.failures)
  Record.extra(extras, 'lost', m.lost)
  Record.extra(extras, 'orphan', m.orphan)
  Record.extra(extras, 'unarchived', unarchived)
  Record.extra(extras, 'then_id', m.then_id)
  Record.extra(extras, 'then_error', m.then_error)
  if m.run then
    Record.extra(extras, 'fence', m.fence)
    Record.extra(extras, 'replica', m.replica)
    Record.extra(extras, 'started_at', whole(m.start))
  end
  call('HSET', Record.extras_key(m.id), unpack(extras))
  if error then Task.drop_checkpoint(m) else Task.drop_checkpoint(m, 'error') end
  call('SETRANGE', Record.key(m.id), 0, Record.LETTERS[state] .. '1')
  call('ZADD', P .. 'ended:' .. state, keep == math.huge and '+inf' or whole(NOW + keep), m.id)
  if not unarchived then Retention.drop_oldest(state, m.id) end
end

-- wants_reply reports whether the end of the task is pushed to its reply list. It is if the task was enqueued with a reply
-- and this is its first generation, or if a later entry with its id requested a reply.
local function wants_reply(m)
  if m.flag == '0' then return m.reply end
  local h = call('HMGET', Record.extras_key(m.id), 'generation', 'reply')
  return h[2] or m.reply and not h[1]
end

-- with_headers returns the meta of the last attempt together with the headers of the task. It leaves out headers that
-- another program has damaged.
local function with_headers(m)
  local valid, headers = pcall(cjson.decode, m.headers or '{}')
  local all = cjson.decode(m.meta)
  for key, value in pairs(valid and type(headers) == 'table' and headers or {}) do
    if type(key) == 'string' and type(value) == 'string' and not all[key] then all[key] = value end
  end
  return cjson.encode(all)
end

local function end_one(m, state, code, result, error, form)
  local v = m.v + 1
  if m.unique and redis.pcall('GET', P .. 'unique:' .. m.unique) == m.id then call('DEL', P .. 'unique:' .. m.unique) end
  if m.late_at then call('ZREM', P .. 'expiring', m.id) end
  local ran, headers = m.run, m.meta and with_headers(m) or m.headers
  if m['then'] and state == 'succeeded' then m.then_id, m.then_error = Then.follow(m, result, form, headers) end
  if m.shards then Shards.close(m, state) end
  Event.add(m, m.id, state, v, {
    code = code, attempt = ran and m.attempt, replica = ran and m.replica,
    run_ms = ran and (m.run_ms or NOW - m.start), error = error, exported = m.exported,
    meta = headers, orphan = m.orphan, then_id = m.then_id, then_error = m.then_error,
    result = result and #result <= 1024 and result, result_bytes = result and #result > 1024 and #result,
  })
  Totals.count(state)
  Totals.rate('out', m.queue)
  if wants_reply(m) then Outcome.push(m.id, m.created, state, code, error, result, form) end

  if m.trigger then Triggers.ended(m) end
  local keep, unarchived = Retention.at_end(state, m, result or m.log)
  if keep == 0 then return Removal.add(m.id, m.flag == '1' or m.has_history) end
  if m.log and state == 'succeeded' then Finish.add_history(m, code) end
  keep_ended(m, state, v, code, result, error, keep, form, unarchived)
end

-- task ends a task that the caller has removed from its queue, the schedule or the running tasks. The last child of a parent
-- ends its parent, too.
function Finish.task(m, state, code, result, error, form)
  end_one(m, state, code, result, error, form)
  if not m.shard then return end
  if m.member then Record.soft('SREM', Broadcast.key(m.member), m.id) end
  local p, p_state, p_code, p_result, p_error = Shards.child_ended(m, state, code, result, error, form)
  if p_state then end_one(p, p_state, p_code, p_result, p_error, 'json') end
end

-- too_late ends a task that is past its latest start or its deadline. The caller has removed it from its queue or the
-- schedule.
function Finish.too_late(m)
  if m.attempt ~= '0' then return Finish.task(m, 'failed', 'deadline') end
  Finish.task(m, 'expired', 'expired')
end

-- empty ends the parents of this call that get no children. A replica would do so, too, but there may be none.
function Finish.empty()
  Event.write() -- of their beginning
  for _, id in ipairs(freed.empty) do
    local p = Task.load(id)
    Finish.task(p, Shards.outcome(p))
  end
  freed.empty = nil
  Removal.write()
end
