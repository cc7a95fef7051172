-- stats: reads the state of the pool and of a page of its queues at one instant.
--
-- KEYS  prefix, meta
-- ARGV  cursor (0 for the start), about how many queues, about how many running tasks
-- Returns {cursor to continue from, '0' at the end, time, scheduled, inbox, rejects, events, live replicas, pool limit
--       or '', 1 if paused, tasks outside, {fields and values of the totals}, {kept tasks: succeeded, failed, stopped,
--       expired}, scheduled tasks that are on hold, {kinds of which too many results are staged}, running parents, then per
--       queue: name, waiting, how many of these are in wait:QUEUE, running, limit or '', cap or '', 1 if paused, rate or '',
--       when the next token of the rate returns for which tasks wait or '', aging in ms or '', {ids and run entries}}.
-- Keeps: nothing is written.
-- uses: base configure queues scores
local got = call('SSCAN', P .. 'queues', ARGV[1], 'COUNT', ARGV[2])
local s = call('HMGET', META, 'limit', 'events:added', 'events:gone')
local events = s[2] and tonumber(s[2]) - (tonumber(s[3] or nil) or 0) or call('XLEN', P .. 'events')
local reply = {
  got[1], NOW_TEXT, call('ZCARD', P .. 'scheduled'), call('LLEN', P .. 'inbox') + call('LLEN', P .. 'inbox:open'),
  call('XLEN', P .. 'inbox:rejected'), events, call('ZCOUNT', P .. 'replicas', NOW_TEXT, '+inf'),
  s[1] ~= Configure.UNLIMITED and s[1] or '', call('HEXISTS', META, 'paused'), call('ZCARD', P .. 'outside'),
  call('HGETALL', P .. 'stats'), {},
}
for i, state in ipairs({ 'succeeded', 'failed', 'stopped', 'expired' }) do
  reply[12][i] = call('ZCARD', P .. 'ended:' .. state)
end
reply[13] = call('ZCOUNT', P .. 'scheduled', whole(Scores.HOLD), '+inf')
reply[14] = call('SMEMBERS', P .. 'full')
reply[15] = call('ZCARD', P .. 'parents')
local left = tonumber(ARGV[3])

-- running returns ids and run entries of up to about as many tasks as are left.
local function running(q, n)
  if n == 0 or left <= 0 then return {} end
  local key, list = P .. 'run:' .. q, nil
  if n <= left then list = call('HGETALL', key) else list = call('HSCAN', key, 0, 'COUNT', left)[2] end
  left = left - #list / 2
  return list
end

for _, q in ipairs(got[2]) do
  local n = call('HLEN', P .. 'run:' .. q)
  local set = call('HMGET', META, 'limit:queue:' .. q, 'cap:' .. q, 'rate:queue:' .. q, 'aging:' .. q)
  for _, part in ipairs({ q, Queues.waiting(q), call('ZCARD', P .. 'wait:' .. q), n,
    set[1] or '', set[2] or '', call('HEXISTS', META, 'paused:' .. q),
    set[3] or '', set[3] and call('ZSCORE', P .. 'timers', 'q ' .. q) or '', set[4] or '', running(q, n) }) do
    reply[#reply + 1] = part
  end
end
return reply
