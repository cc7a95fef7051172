-- succeed: ends attempts whose handlers returned without an error.
--
-- KEYS  prefix, meta
-- ARGV  queues that the caller claims from next (separated by spaces, may be empty), then per report: id, fence, result,
--       1 if there is a result
-- Returns one verdict per report: ok, already, lost or gone.
-- Keeps: only the running attempt's own fence ends it; a repeated report changes nothing.
-- uses: base full wake line policy task finish
local verdicts, tasks, by_queue = {}, {}, {}
for i = 2, #ARGV, 4 do
  local id, fence = ARGV[i], ARGV[i + 1]
  local m = tasks[id] or load(id)
  local verdict = refusal(id, m, fence) or tasks[id] and 'already'
  if not verdict then
    m.result = ARGV[i + 3] == '1' and ARGV[i + 2] or nil
    tasks[id] = m
    by_queue[m.queue] = by_queue[m.queue] or {}
    table.insert(by_queue[m.queue], id)
  end
  verdicts[#verdicts + 1] = verdict or 'ok'
end
for queue, ids in pairs(by_queue) do
  end_leases(queue, ids)
  for _, id in ipairs(ids) do
    leave_group(id, tasks[id])
    finish(id, tasks[id], 'succeeded', 'ok', tasks[id].result)
  end
end
flush()
wake_freed(ARGV[1])
return verdicts
