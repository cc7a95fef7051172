-- retry: puts ended tasks back into their queues as a new generation, behind the waiting tasks of the same priority.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, new priority or '', 1 if a payload replaces that of the tasks (rerun: none does, and the handler
--       has to run again although the result is staged; else 0), this payload, ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put back, -1 if its unique key is taken; or an
--       error if a task is damaged, after the change of the others; or the error STALE.
-- Keeps: a task with a staged result is exported again, unless it gets a payload or has to rerun. The counters start at 0.
-- TTL and deadline no longer apply. At most one live task holds a unique key. A call that is
-- repeated after its reply was lost does nothing and gets the first reply.
-- uses: aging base admit changes edit event queue record staged task totals trim
local first = Changes.repeated()
if first then return first end
if ARGV[4] ~= '1' then run_when_full() end -- a payload needs memory

local function put_back_ended(m)
  local extras = Record.extras_key(m.id)
  local staged = ARGV[4] == '0' and m.flag == '1' and call('HEXISTS', extras, 'staged') == 1
  Edit.rewrite(m, true)
  local _, priority = Edit.priorities(m)
  local score = Aging.place(m.id, m, priority, function() return call('HINCRBY', META, 'seq', 1) end)
  call('HDEL', extras, 'failures', 'lost', 'code', 'error', 'result', 'form', 'progress', 'stop', 'slow', 'slow_at',
    'ended_at', 'reply', 'log', 'log_size', 'log_fence', 'checkpoint', 'checkpoint_at', 'checkpoint_call', 'orphan', 'avoid',
    'unarchived')
  if staged then
    Staged.again(m, score)
    return 'exporting'
  end
  call('HDEL', extras, 'staged', 'staged_form', 'staged_generation', 'saves_failed', 'save_at', 'run_ms', 'meta', 'exported')
  call('HSET', extras, 'v', whole(m.v + 1), 'attempt', m.attempt, 'due_at', NOW_TEXT,
    'generation', whole(Task.counted_up(m.id, m, 'generation')))
  call('SETRANGE', Record.key(m.id), 0, 'w1')
  call('SETRANGE', Record.key(m.id), 17, score)
  Queue.insert(m.line, m.group, score, m.id)
  Event.add(m, m.id, 'waiting', m.v + 1)
  Totals.count('retried')
  claimable[m.line] = true
  return 'waiting'
end

local reply = Changes.each(ARGV, 6, function(m)
  if not Record.TERMINAL[m.state] then return 0 end
  local unique = m.unique and P .. 'unique:' .. m.unique
  if unique and Admit.holder_of(unique) then return -1 end
  call('ZREM', P .. 'ended:' .. m.state, m.id)
  if unique then call('SET', unique, m.id) end
  m.state = put_back_ended(m)
  return 1
end)
Trim.close()
return Changes.close(reply)
