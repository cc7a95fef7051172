-- uses: base record task
-- Attempts that a report from outside ends: their tokens, and those that their replica has detached.
--
-- The flag of a run entry is 2 if the attempt has a token, 3 if it is outside: its replica has detached it. Of such an
-- attempt, more:ID has in token the hash of the token, in within how many ms it may be outside, and in meta what the handler
-- has set. outside has the ids of the attempts outside; score: until when a report may arrive. An attempt outside has no
-- claim and no lease, and keeps its fence.

Outside.KEY = P .. 'outside'
Outside.TOKEN, Outside.OUTSIDE = '2', '3'

-- issue stores the hash of an attempt's token.
function Outside.issue(m, hash)
  Task.keep(m.id, m, 'token', hash)
  Task.set_run_flag(m, Outside.TOKEN)
end

-- ends returns until when an attempt may be outside: ms from now on, or until the deadline of the task.
function Outside.ends(m, within)
  local ends, deadline = NOW + within, tonumber(m.deadline_at or nil)
  if deadline then ends = math.min(ends, deadline) end
  return ends
end

-- forget removes what an attempt that has ended has stored here. It sets the meta of an attempt outside.
function Outside.forget(m)
  local extras = Record.extras_key(m.id)
  if m.run.flag == Outside.OUTSIDE then
    m.meta = call('HGET', extras, 'meta') or m.meta
    call('ZREM', Outside.KEY, m.id)
  end
  call('HDEL', extras, 'token', 'within', 'meta')
end
