-- stats: reads the state of the pool and of a page of its queues at one instant.
--
-- KEYS  prefix, meta
-- ARGV  cursor (0 for the start), about how many queues, about how many running tasks
-- Returns {cursor to continue from, '0' at the end, time, scheduled, inbox, rejects, events, live replicas, pool limit
--       or '', 1 if paused, tasks outside, {fields and values of the totals}, {kept tasks: succeeded, failed, stopped,
--       expired}, scheduled tasks that are on hold, {kinds of which too many results are staged}, running parents, then per
--       queue: name, waiting, how many of these no group blocks, running, limit or '', cap or '', 1 if paused, rate or '',
--       when the next token of the rate returns for which tasks wait or '', aging in ms or '', {ids and run entries}, number
--       of its lines with labels, {labels and waiting tasks of up to 16 of these}}.
-- Keeps: nothing is written.
-- uses: base configure line queues record scores
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

-- lines_of returns labels and waiting tasks of up to 16 lines of a queue, of at most about 500 in this call, and how many of
-- the tasks of all its lines no group blocks. It counts those of other lines as not blocked.
local lines_left = 500
local function lines_of(q, n)
  local list, free = {}, n > 0 and call('ZCARD', P .. 'labelled:' .. q) or 0
  for _, labels in ipairs(n > 0 and lines_left > 0 and call('ZRANGE', P .. 'lines:' .. q, 0, 15) or {}) do
    local blocked = call('ZCARD', P .. 'group:wait:' .. q .. '#' .. labels)
    free, lines_left = free - blocked, lines_left - 1
    list[#list + 1] = labels
    list[#list + 1] = call('ZCARD', P .. 'wait:' .. q .. '#' .. labels) + blocked
  end
  return list, free
end

for _, q in ipairs(got[2]) do
  local n = call('HLEN', P .. 'run:' .. q)
  local set = call('HMGET', META, 'limit:queue:' .. q, 'cap:' .. q, 'rate:queue:' .. q, 'aging:' .. q)
  local lines = call('ZCARD', P .. 'lines:' .. q)
  local list, free = lines_of(q, lines)
  for _, part in ipairs({ q, Line.waiting(q), call('ZCARD', P .. 'wait:' .. q) + free, n,
    set[1] or '', set[2] or '', call('HEXISTS', META, 'paused:' .. q),
    set[3] or '', set[3] and call('ZSCORE', P .. 'timers', 'q ' .. q) or '', set[4] or '', running(q, n), lines, list }) do
    reply[#reply + 1] = part
  end
end
return reply
