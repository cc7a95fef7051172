-- archived: ends the wait of ended tasks for the archive, which has them now.
--
-- KEYS  prefix, meta
-- ARGV  then per task: id, version, when it was made
-- Returns how many of the tasks waited.
-- Keeps: a task of another version, or another task with the id, is not changed. A task whose retention is over is removed
-- as by purge. The others are kept for their retention from their end on. A repeated call does nothing.
-- uses: base record removal retention task
run_when_full()
local waited, states = 0, {}

-- release ends the wait of an ended task. unarchived is its retention in ms, or 'forever'.
local function release(m, unarchived, ended_at)
  local index = P .. 'ended:' .. m.state
  local keep = unarchived == 'forever' and math.huge or number(unarchived) or 0
  if ended_at + keep <= NOW then
    call('ZREM', index, m.id)
    return Removal.add(m.id, true)
  end
  call('ZADD', index, keep == math.huge and '+inf' or whole(ended_at + keep), m.id)
  call('HDEL', Record.extras_key(m.id), 'unarchived')
  states[m.state] = true
end

for i = 1, #ARGV, 3 do
  local m, v, created = Task.load(ARGV[i]), tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  if m and m.flag == '1' and Record.TERMINAL[m.state] and m.v == v and m.created == created then
    local h = Record.soft('HMGET', Record.extras_key(m.id), 'unarchived', 'ended_at')
    if h and h[1] then
      release(m, h[1], number(h[2]) or NOW)
      waited = waited + 1
    end
  end
end
for state in pairs(states) do Retention.drop_oldest(state) end
Removal.write()
return waited
