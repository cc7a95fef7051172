-- retry: puts ended tasks back into their queues as a new generation, behind the waiting tasks of the same priority.
--
-- KEYS  prefix, meta
-- ARGV  id of the call, ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put back, -1 if its unique key is taken; or an
--       error if a task is damaged, after the change of the others.
-- Keeps: the counters start at 0. TTL and deadline no longer apply. At most one live task holds a unique key. A repeated
-- call puts a task back once, even if the task has ended again meanwhile.
-- uses: base admit event queue record task totals trim wake words
run_when_full()
local reply = {}

-- remove_times removes the words about times from the header of a record.
local function remove_times(m)
  if not (m.late_at or m.due_at) then return end
  local record = call('GET', Record.key(m.id))
  local stop = string.find(record, '\n', Words.KIND_AT, true)
  local header = string.gsub(string.sub(record, 1, stop - 1), ' [%l]+_at=%d+', '')
  call('SET', Record.key(m.id), header .. string.sub(record, stop))
end

local function put_back_ended(m)
  remove_times(m)
  local priority = 127 - math.floor(tonumber(m.score) / Record.STEP)
  local score = Record.score_of(priority, call('HINCRBY', META, 'seq', 1))
  local extras = Record.extras_key(m.id)
  call('HDEL', extras, 'failures', 'lost', 'code', 'error', 'result', 'form', 'progress', 'stop', 'slow', 'slow_at',
    'ended_at', 'reply', 'log', 'log_size', 'log_fence', 'checkpoint', 'checkpoint_at', 'checkpoint_call')
  call('HSET', extras, 'v', whole(m.v + 1), 'attempt', m.attempt, 'due_at', NOW_TEXT, 'retry', ARGV[1],
    'generation', whole(Task.counted_up(m.id, m, 'generation')))
  call('SETRANGE', Record.key(m.id), 0, 'w1')
  call('SETRANGE', Record.key(m.id), 17, score)
  Queue.insert(m.queue, m.group, score, m.id)
  Event.add(m, m.id, 'waiting', m.v + 1)
  Totals.count('retried')
  claimable[m.queue] = true
end

for i = 2, #ARGV do
  local id = ARGV[i]
  local m = Task.load_to_change(id)
  local state, done = m and m.state or '', 0
  if m and Record.soft('HGET', Record.extras_key(id), 'retry') == ARGV[1] then
    done = 1
  elseif Record.TERMINAL[state] then
    local unique = m.unique and P .. 'unique:' .. m.unique
    if unique and Admit.holder_of(unique) then
      done = -1
    else
      call('ZREM', P .. 'ended:' .. state, id)
      if unique then call('SET', unique, id) end
      put_back_ended(m)
      state, done = 'waiting', 1
    end
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
Queue.write()
Trim.close()
Totals.write()
Wake.all()
return Task.answer(reply)
