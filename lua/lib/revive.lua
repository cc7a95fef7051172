-- uses: base broadcast event gather parents queue record shards staged task totals
-- Ended tasks that live again, as a new generation.

-- clear removes from the extras what belongs to the generation that has ended.
function Revive.clear(m)
  call('HDEL', Record.extras_key(m.id), 'failures', 'lost', 'code', 'error', 'result', 'form', 'progress', 'stop', 'slow',
    'slow_at', 'ended_at', 'reply', 'log', 'log_size', 'log_fence', 'checkpoint', 'checkpoint_at', 'checkpoint_call',
    'orphan', 'avoid', 'unarchived', 'then_id', 'then_error')
end

-- begin counts the generation, and writes state and version of the task, which has no staged result.
function Revive.begin(m, letter, state)
  local extras = Record.extras_key(m.id)
  call('HDEL', extras, 'staged', 'staged_form', 'staged_generation', 'saves_failed', 'save_at', 'run_ms', 'meta', 'exported')
  call('HSET', extras, 'v', whole(m.v + 1), 'attempt', m.attempt, 'due_at', NOW_TEXT,
    'generation', whole(Task.counted_up(m.id, m, 'generation')))
  call('SETRANGE', Record.key(m.id), 0, letter .. '1')
  Event.add(m, m.id, state, m.v + 1)
  Totals.count('retried')
  return state
end

-- task puts an ended task that the caller has removed from its index into its queue. It exports a staged result again if
-- exports is true. It returns the state of the task.
function Revive.task(m, score, exports)
  local staged = exports and m.flag == '1' and call('HEXISTS', Record.extras_key(m.id), 'staged') == 1
  Revive.clear(m)
  if staged then
    Staged.again(m, score)
    return 'exporting'
  end
  call('SETRANGE', Record.key(m.id), 17, score)
  if m.member then Record.soft('SADD', Broadcast.key(m.member), m.id) end
  Queue.insert(m.line, m.group, score, m.id)
  claimable[m.line] = true
  return Revive.begin(m, 'w', 'waiting')
end

-- parent prepares a retry of a parent: of all its shards, or of those that have not succeeded. If all run again, a broadcast
-- gets new members.
function Revive.parent(p, all)
  local extras, total = Record.extras_key(p.id), Shards.total(p)
  for page = 0, math.ceil(total / Shards.PAGE) - 1 do
    local name = 'shards_done:' .. whole(page)
    if all then call('HDEL', extras, name)
    else call('HSET', extras, name, (string.gsub(Shards.letters(p.id, whole(page)), '[^S]', '-'))) end
  end
  call('HDEL', extras, 'shards_error', 'shards_failed', 'shards_stopped', 'shards_expired', 'shards_ahead')
  if all then call('HDEL', extras, 'shards_succeeded') end
  if p.shards == Broadcast.ALL and (all or total == 0) then
    call('HDEL', extras, 'shards_total', 'shard_params', 'shards_refused')
  end
  Gather.again(p.id, all)
  Parents.begin(p.id, '', p)
end
