-- mend: takes tasks out of their groups' running sets that do not run, because somebody deleted their bodies.
--
-- KEYS  prefix, meta
-- ARGV  groups
-- Returns how many were taken out.
-- Keeps: a group's running set has running tasks only, so that a lost body never holds its group up.
-- uses: base full wake line
local mended = 0
for _, group in ipairs(ARGV) do
  local members = P .. 'group:run:' .. group
  for _, id in ipairs(call('SMEMBERS', members)) do
    if redis.pcall('HGET', task_key(id), 'state') ~= 'running' then mended = mended + call('SREM', members, id) end
  end
  open(group)
end
wake_freed()
return mended
