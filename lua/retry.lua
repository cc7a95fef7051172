-- retry: puts ended tasks back into their queues as a new generation, behind the waiting tasks of the same priority.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put back, -1 if its unique key is taken; or an
--       error if a task is damaged, after the change of the others; or the error STALE.
-- Keeps: the counters start at 0. TTL and deadline no longer apply. At most one live task holds a unique key. A call that is
-- repeated after its reply was lost does nothing and gets the first reply.
-- uses: base admit changes event queue record task totals trim words
local first = Changes.repeated()
if first then return first end
run_when_full()

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
    'ended_at', 'reply', 'log', 'log_size', 'log_fence')
  call('HSET', extras, 'v', whole(m.v + 1), 'attempt', m.attempt, 'due_at', NOW_TEXT,
    'generation', whole(Task.counted_up(m.id, m, 'generation')))
  call('SETRANGE', Record.key(m.id), 0, 'w1')
  call('SETRANGE', Record.key(m.id), 17, score)
  Queue.insert(m.queue, m.group, score, m.id)
  Event.add(m, m.id, 'waiting', m.v + 1)
  Totals.count('retried')
  claimable[m.queue] = true
end

local reply = Changes.each(ARGV, 3, function(m)
  if not Record.TERMINAL[m.state] then return 0 end
  local unique = m.unique and P .. 'unique:' .. m.unique
  if unique and Admit.holder_of(unique) then return -1 end
  call('ZREM', P .. 'ended:' .. m.state, m.id)
  if unique then call('SET', unique, m.id) end
  put_back_ended(m)
  m.state = 'waiting'
  return 1
end)
Trim.close()
return Changes.close(reply)
