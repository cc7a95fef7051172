-- stats: the pool at one instant.
--
-- KEYS  prefix, meta
-- Returns {scheduled, inbox, rejects, events, live replicas, pool limit or '', 1 if paused, {fields and values of the
-- totals}, {kept tasks: succeeded, failed, stopped, expired}, then per queue: name, waiting, how many of these are in the
-- line, running, limit or '', cap or '', 1 if paused}.
-- Keeps: nothing is written.
-- uses: base wake
local reply = {
  call('ZCARD', P .. 'scheduled'), call('LLEN', P .. 'inbox') + call('LLEN', P .. 'inbox:open'),
  call('XLEN', P .. 'inbox:rejected'), EVENT_COUNT, call('ZCOUNT', P .. 'replicas', NOW, '+inf'),
  call('HGET', META, 'limit') or '', call('HEXISTS', META, 'paused'), call('HGETALL', P .. 'stats'), {},
}
for i, state in ipairs({ 'succeeded', 'failed', 'stopped', 'expired' }) do
  reply[9][i] = call('ZCARD', P .. 'ended:' .. state)
end
for _, q in ipairs(queues()) do
  local s = call('HMGET', META, 'limit:queue:' .. q, 'cap:' .. q)
  for _, part in ipairs({ q, waiting(q), call('ZCARD', P .. 'wait:' .. q), call('ZCARD', P .. 'running:' .. q), s[1] or '',
    s[2] or '', call('HEXISTS', META, 'paused:' .. q) }) do
    reply[#reply + 1] = part
  end
end
return reply
