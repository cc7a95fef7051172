-- retry: puts ended tasks back into their queues as a new generation, at the end of the line.
--
-- KEYS  prefix, meta
-- ARGV  ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put back, -1 if its unique key is taken.
-- Keeps: the fence goes on growing; counters start at 0; a unique key has one live holder.
-- uses: base wake line policy task finish
local reply = {}
local ended = { succeeded = true, failed = true, stopped = true, expired = true }
for _, id in ipairs(ARGV) do
  local m = load(id)
  local state, done = m and m.state or '', 0
  if ended[state] then
    local unique = m.unique and P .. 'unique:' .. m.unique
    local holder = unique and call('GET', unique)
    if holder and call('EXISTS', task_key(holder)) == 1 then
      done = -1
    else
      local key = task_key(id)
      local h = call('HMGET', key, 'priority', 'generation')
      local score = score_of(h[1] or 0, call('HINCRBY', META, 'seq', 1))
      call('ZREM', P .. 'ended:' .. state, id)
      if unique then call('SET', unique, id) end
      call('HDEL', key, 'failures', 'lost', 'code', 'error', 'result', 'progress', 'stop', 'ended_at', 'expires_at',
        'deadline_at')
      call('HSET', key, 'state', 'waiting', 'v', m.v + 1, 'generation', (h[2] or 0) + 1, 'due_at', NOW,
        'score', whole(score), 'more', more_of(m))
      place(m.queue, m.group, score, id)
      event(id, m, 'waiting', m.v + 1)
      count('retried')
      freed[m.queue] = true
      state, done = 'waiting', 1
    end
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
flush_totals()
wake_freed()
return reply
