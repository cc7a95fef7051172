-- reap: takes back the tasks whose leases have ended.
--
-- KEYS  prefix, meta
-- ARGV  random seed, most tasks
-- Returns {ms until the next lease ends or 0, number of leases lost, number of running entries without a task}.
-- Keeps: a lost lease uses no attempt of the error budget; a task that lost more than max lost leases has failed.
-- uses: base full wake line policy task finish again
math.randomseed(tonumber(ARGV[1]))
local lost, orphans, first, left = 0, 0, math.huge, tonumber(ARGV[2])

-- lose puts a task back, or ends it after too many losses.
local function lose(id, m)
  lost = lost + 1
  count('lost')
  local h = call('HMGET', task_key(id), 'lost', 'backoff')
  local p, n = policy(m.kind), (tonumber(h[1]) or 0) + 1
  local last = 'lease of replica ' .. m.replica .. ' ended without a report'
  remember(id, m, 'lost', last)
  call('HSET', task_key(id), 'lost', n)
  if n > (tonumber(p.max_lost) or 3) then
    return finish(id, m, 'failed', 'lost', nil, last .. ', the ' .. n .. 'th time')
  end
  -- What ran beside a task that kills its process was lost with it: from the second time on they come back apart.
  local delay = n > 1 and backoff_ms(h[2] or p.backoff, n - 1) or 0
  rest(id, m, delay, 'lost', last, 'error', last)
end

for _, queue in ipairs(queues()) do
  local index = P .. 'running:' .. queue
  local ended = call('ZRANGEBYSCORE', index, '-inf', NOW, 'LIMIT', 0, left)
  left = left - #ended
  for _, id in ipairs(ended) do
    local m = load(id)
    if not m or m.state ~= 'running' then
      call('ZREM', index, id)
      count('orphans')
      orphans = orphans + 1
      freed[queue] = true
    else
      local stop = stop_asked(id)
      leave(id, m)
      call('HSET', task_key(id), 'lost_fence', m.fence)
      if stop then
        finish(id, m, 'stopped', 'stopped', nil, stop)
      elseif bound_of(m.kind, m.started_at, call('HGET', task_key(id), 'timeout_ms'), m.deadline_at) <= NOW then
        fail(id, m, 'timeout', 'attempt timed out on replica ' .. m.replica .. ', which did not report it', '')
      else
        lose(id, m)
      end
    end
  end
  local next_end = call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]
  if next_end then first = math.min(first, math.max(next_end - NOW, 1)) end
end
flush()
wake_freed()
sooner()
return { first < math.huge and first or 0, lost, orphans }
