-- stop: ends tasks that are not running at once, and asks the replicas of running ones to end them.
--
-- KEYS  prefix, meta
-- ARGV  reason, then ids
-- Returns per task its state afterwards ('' if there is none) and 1 if the request took effect.
-- Keeps: a task that was asked to stop is never started again.
-- uses: base full wake line policy task finish
local reply, bells = {}, {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local m = load(id)
  local state, done = m and m.state or '', 0
  if state == 'running' then
    call('HSETNX', task_key(id), 'stop', ARGV[1])
    bells[m.replica] = true
    done = 1
  elseif state == 'waiting' or state == 'scheduled' then
    call('ZREM', P .. 'scheduled', id)
    displace(m.queue, m.group, place_of(id, m) or 0, id)
    finish(id, m, 'stopped', 'stopped', nil, ARGV[1])
    state, done = 'stopped', 1
  end
  reply[#reply + 1] = state
  reply[#reply + 1] = done
end
for replica in pairs(bells) do
  local bell = P .. 'bell:' .. replica
  if call('LLEN', bell) == 0 then
    call('RPUSH', bell, 1)
    call('PEXPIRE', bell, 60000)
  end
end
flush()
wake_freed()
return reply
