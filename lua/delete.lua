-- delete: removes ended tasks with all their keys.
--
-- KEYS  prefix, meta
-- ARGV  sequence ('' for none), call, ids, or counted tasks: see counted.lua
-- Returns per task its state afterwards ('' if there is none) and 1 if it was removed, -4 if it has changed since it was
--       counted; or the error STALE.
-- Keeps: a live task is never removed. With a sequence, a call that is repeated after its reply was lost does nothing and
-- gets the first reply.
-- uses: base changes counted record removal task
local first = Changes.repeated()
if first then return first end
run_when_full()
local reply = {}
for i = 3, #ARGV do
  local id, removed = Counted.id(ARGV[i]), 0
  local m = Task.load(id)
  local state = m and m.state or ''
  if m and not Counted.is_same(m, ARGV[i]) then
    removed = -4
  elseif Record.TERMINAL[state] then
    removed = call('ZREM', P .. 'ended:' .. state, id)
  end
  if removed == 1 then
    Removal.add(id, true)
    state = ''
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = removed
end
Removal.write()
return Changes.close(reply)
