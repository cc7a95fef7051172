-- delete: removes ended tasks and everything of them.
--
-- KEYS  prefix, meta
-- ARGV  ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was removed.
-- Keeps: a live task is never removed.
-- uses: base wake line policy task finish
local reply = {}
for _, id in ipairs(ARGV) do
  local state = call('HGET', task_key(id), 'state') or ''
  local removed = state ~= '' and call('ZREM', P .. 'ended:' .. state, id) or 0
  if removed == 1 then
    forget(id)
    state = ''
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = removed
end
flush()
return reply
