-- runnow: puts scheduled tasks into their queues before they are due. They may wait for a delay, a run-at time or a retry.
--
-- KEYS  prefix, meta
-- ARGV  id of the call, ids
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put into its queue; or an error if a task is
--       damaged, after the change of the others.
-- Keeps: a task takes the position that it would take when it is due. Limits, TTL and deadline apply as before. A repeated
-- call puts a task into its queue once, even if the task was scheduled again meanwhile.
-- uses: base event promote queue record task totals trim wake
run_when_full()
local reply = {}

local function put(m)
  call('ZREM', P .. 'scheduled', m.id)
  Task.keep(m.id, m, 'due_at', NOW_TEXT, 'runnow', ARGV[1])
  Promote.one(m.id, function() return call('HINCRBY', META, 'seq', 1) end)
end

for i = 2, #ARGV do
  local id = ARGV[i]
  local m = Task.load_to_change(id)
  local state, done = m and m.state or '', 0
  if m and m.flag == '1' and Record.soft('HGET', Record.extras_key(id), 'runnow') == ARGV[1] then
    done = 1
  elseif state == 'scheduled' then
    put(m)
    state, done = 'waiting', 1
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
Queue.write()
Trim.close()
Totals.write()
Wake.all()
return Task.answer(reply)
