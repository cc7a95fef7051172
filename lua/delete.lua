-- delete: removes ended tasks with all their keys.
--
-- KEYS  prefix, meta
-- ARGV  ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was removed.
-- Keeps: a live task is never removed.
-- uses: base record removal task
run_when_full()
local reply = {}
for _, id in ipairs(ARGV) do
  local m = Task.load(id)
  local state = m and m.state or ''
  local removed = Record.TERMINAL[state] and call('ZREM', P .. 'ended:' .. state, id) or 0
  if removed == 1 then
    Removal.add(id, true)
    state = ''
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = removed
end
Removal.write()
return reply
