-- uses: base record run
-- Reading a task, and writing its extras.

-- load reads a task without its payload. It returns nil if there is no such task. run is its run entry if the caller has it.
-- The result has the words of the header and: id, letter, flag, created, score, state, v, attempt; of a running task also
-- run, fence, start and replica. An exporting task is in the queue of its kind's exports: queue is that one, home and
-- home_group are its own. It has run if a replica saves it. A running parent has no run: see shards.lua.
function Task.load(id, run)
  local head = Record.read_head(id)
  if not head then return nil end
  local letter, flag, created, score, words = Record.header_of(head)
  if not letter then return nil end
  local m = {}
  for name, value in pairs(words) do m[name] = value end
  m.id, m.letter, m.flag, m.created, m.score = id, letter, flag, created, score
  m.state = Record.STATES[letter] or 'running'
  if letter == 'e' then
    m.home, m.home_group, m.queue, m.group = m.queue, m.group, Record.EXPORT .. m.kind, nil
    m.line = m.queue
    run = run or Run.parse(redis.pcall('HGET', P .. 'run:' .. m.queue, id))
    if run then m.run, m.fence, m.start, m.replica = run, run.fence, run.start, run.replica end
  elseif m.state == 'waiting' then
    run = run or Run.parse(redis.pcall('HGET', P .. 'run:' .. m.queue, id))
    if run then
      m.state, m.run, m.fence, m.start, m.replica, m.v, m.attempt = 'running', run, run.fence, run.start, run.replica, run.v,
        run.attempt
      return m
    end
  end
  m.v, m.attempt = Record.BASE_VERSION[letter] or 1, '0'
  if flag == '1' then
    local h = Record.soft('HMGET', Record.extras_key(id), 'v', 'attempt') or {}
    m.v, m.attempt = number(h[1]) or m.v, number(h[2]) and h[2] or '0'
  end
  return m
end

-- load_to_change is load for a script that changes several tasks. It returns nil and true for a task whose extras are a key
-- of a wrong type. Such a task stays as it is and does not keep the script from changing the others. The script ends with
-- answer.
local damaged
function Task.load_to_change(id)
  local m = Task.load(id)
  if not m or Record.soft('HEXISTS', Record.extras_key(id), 'v') then return m end
  damaged = damaged or Record.extras_key(id)
  return nil, true
end

-- answer returns the reply of a script that changes several tasks, or an error if one of them was damaged. The reply has a
-- number for each damaged one if the caller wants no error.
function Task.answer(reply, no_error)
  return damaged and not no_error and redis.error_reply('WRONGTYPE ' .. damaged .. ' is not a hash') or reply
end

-- is_current reports whether a run entry is that of the attempt of a fence: FENCE, or FENCE/ATTEMPT if the claim may have
-- several attempts of the task.
function Task.is_current(run, fence)
  local claim, attempt = string.match(fence, '^(%d+)/(%d+)$')
  return run and run.fence == (claim or fence) and (not attempt or run.attempt == attempt)
end

-- set_run_flag changes the flag in the run entry of a running task.
function Task.set_run_flag(m, flag)
  local run = m.run
  run.flag = flag
  call('HSET', P .. 'run:' .. m.queue, m.id,
    Run.text(run.fence, run.attempt, whole(run.v), whole(run.start), flag, run.kind, run.replica, run.group))
end

-- keep writes extras of a task. It sets the extras flag in the record, and in the run entry unless the attempt is ending.
function Task.keep(id, m, ...)
  call('HSET', Record.extras_key(id), ...)
  if m.flag ~= '1' then
    call('SETRANGE', Record.key(id), 1, '1')
    m.flag = '1'
  end
  if m.run and not m.leaving and m.run.flag == '0' then Task.set_run_flag(m, '1') end
end

-- drop_checkpoint removes the checkpoint of a task, and the names that follow m.
function Task.drop_checkpoint(m, ...)
  if m.flag ~= '1' then return end
  call('HDEL', Record.extras_key(m.id), 'checkpoint', 'checkpoint_at', 'checkpoint_call', ...)
end

-- counted_up returns an extra that is a count, plus one. A missing or invalid count is 0.
function Task.counted_up(id, m, name)
  return (m.flag == '1' and number(call('HGET', Record.extras_key(id), name)) or 0) + 1
end
