-- uses: base
-- How long ended tasks are kept.

-- ms returns how long an ended task is kept: 0 removes it at its end, math.huge keeps it forever. output is its result or
-- log, nil or false for neither.
function Retention.ms(state, m, output)
  if m.retain_ms == 'forever' then return math.huge end
  if tonumber(m.retain_ms or nil) then return tonumber(m.retain_ms) end
  if state ~= 'succeeded' then return 7 * 24 * 3600 * 1000 end
  return output and 3600 * 1000 or 0
end
