-- uses: base jobs record task
-- Attempts that a report from outside ends: their tokens, and those that their replica has detached.
--
-- The flag of a run entry is 2 if the attempt has a token or its task a job, 3 if it is outside: its replica has detached
-- it. Of such an attempt, more:ID has in token the hash of the token, in within how many ms it may be outside, and in meta
-- what the handler has set. A task with a job may have several hashes, of its last attempts: the token that was given to the
-- job stays valid over take-overs. outside has the ids of the attempts outside; score: until when a report may arrive. An
-- attempt outside has no claim and no lease, and keeps its fence.

Outside.KEY = P .. 'outside'
Outside.TOKEN, Outside.OUTSIDE = '2', '3'

-- MOST is how many hashes of tokens a task with a job has at most.
local MOST = 4

-- issue stores the hash of an attempt's token. It returns 0 for a clean-up, which no report from outside can end, else 1.
function Outside.issue(m, hash)
  local job = Jobs.of(m)
  if job and job.cleanup then return 0 end
  if job and job.name then
    if Outside.has_token(m.id, hash) then return 1 end -- the call is repeated
    local known = split(call('HGET', Record.extras_key(m.id), 'token') or '')
    known[#known + 1] = hash
    hash = table.concat(known, ' ', math.max(#known - MOST + 1, 1))
  end
  Task.keep(m.id, m, 'token', hash)
  Task.set_run_flag(m, Outside.TOKEN)
  return 1
end

-- has_token reports whether the token of a task has this hash, or whether it has one if hash is nil.
function Outside.has_token(id, hash)
  local known = Record.soft('HGET', Record.extras_key(id), 'token')
  return known and (not hash or string.find(' ' .. known .. ' ', ' ' .. hash .. ' ', 1, true) ~= nil)
end

-- ends returns until when an attempt may be outside: ms from now on, or until the deadline of the task.
function Outside.ends(m, within)
  local ends, deadline = NOW + within, tonumber(m.deadline_at or nil)
  if deadline then ends = math.min(ends, deadline) end
  return ends
end

-- forget removes what an attempt that has ended has stored here, and the job of its task. It sets the meta of an attempt
-- outside.
function Outside.forget(m)
  local extras = Record.extras_key(m.id)
  if m.run.flag > Outside.TOKEN then
    m.meta = call('HGET', extras, 'meta') or m.meta
    Jobs.unlist(m)
  end
  call('HDEL', extras, 'token', 'within', 'meta', 'job', 'cleanup', 'cleanup_error', 'cleanup_tries',
    'cleanup_at', 'cleanup_ms', 'report_until')
end
