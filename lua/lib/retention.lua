-- uses: base record removal settings
-- How long ended tasks are kept.
--
-- If archive:wait is set, an ended task is kept for at least that long, until the archive has it. Until then more:ID has in
-- unarchived for how many ms after its end the task is kept otherwise, or 'forever'.

-- ms returns how long an ended task is kept: 0 removes it at its end, math.huge keeps it forever. output is its result or
-- log, nil or false for neither.
function Retention.ms(state, m, output)
  if m.retain_ms == 'forever' then return math.huge end
  if tonumber(m.retain_ms or nil) then return tonumber(m.retain_ms) end
  if state ~= 'succeeded' then return 7 * 24 * 3600 * 1000 end
  return output and 3600 * 1000 or 0
end

-- at_end returns how long a task that ends now is kept, and the text of unarchived, nil if no archive is waited for.
function Retention.at_end(state, m, output)
  local ms, wait = Retention.ms(state, m, output), Settings.of(m.queue).wait
  if not wait then return ms end
  return math.max(ms, wait), ms == math.huge and 'forever' or whole(ms)
end

-- FINITE is the highest score of a task that is not kept forever. KEPT is how many tasks of each state but succeeded are
-- kept, besides those that wait for the archive.
local FINITE, KEPT = '9007199254740991', 10000

-- drop_oldest removes tasks whose retention ends first, if more than KEPT tasks are kept. It leaves the task `spared` and
-- those that wait for the archive.
function Retention.drop_oldest(state, spared)
  if state == 'succeeded' then return end
  local index = P .. 'ended:' .. state
  local over = call('ZCOUNT', index, '-inf', FINITE) - KEPT
  if over <= 0 then return end
  for _, old in ipairs(call('ZRANGEBYSCORE', index, '-inf', FINITE, 'LIMIT', 0, math.min(over, 1000))) do
    if old ~= spared and Record.soft('HEXISTS', Record.extras_key(old), 'unarchived') ~= 1 then
      call('ZREM', index, old)
      Removal.add(old, true)
    end
  end
end
