-- uses: base jobs policy record start task totals
-- Claims of tasks that wait for a take-over. They have their places under the limits already, so limits and pauses do not
-- hold them back.

-- CLEANUP is how many ms a clean-up may take.
Takeover.CLEANUP = 600000

-- claim hands out up to n tasks of a line of a queue. It returns whether the line has more.
function Takeover.claim(step, queue, line, n)
  local key = P .. 'takeover:' .. line
  for _, id in ipairs(n > 0 and call('ZRANGE', key, 0, n - 1) or {}) do
    if step.bytes >= step.most_bytes or step.budget <= 0 then break end
    step.budget = step.budget - 1
    call('ZREM', key, id)
    local record, m = Record.soft('GET', Record.key(id)), Task.load(id)
    if m and m.run and m.run.flag == Jobs.UNOWNED and m.line == line then
      local _, _, _, _, words = Record.header_of(record)
      local extras_key, deadline = Record.extras_key(id), tonumber(m.deadline_at or nil)
      if deadline and deadline <= NOW and call('HSETNX', extras_key, 'cleanup', 'end deadline -') == 1 then
        call('HSET', extras_key, 'cleanup_error', 'the deadline passed before the task was taken over')
        call('HDEL', extras_key, 'token')
      end
      local extras = call('HGETALL', extras_key)
      local h = fields(extras)
      local attempt, waited = tonumber(m.attempt) + 1, math.max(NOW - (number(h.due_at) or NOW), 0)
      Start.task(step, queue, { id = id, record = record, words = words, flag = '2', attempt = whole(attempt),
        v = whole(m.v + 1), waited = whole(waited), extras = extras,
        bound = h.cleanup and Takeover.CLEANUP or Policy.time_for(words, 0) })
    else
      Totals.count('orphans')
    end
  end
  return Jobs.close(line)
end
