-- renew: extends the leases of what a replica holds, carries progress, and is the replica's heartbeat.
--
-- KEYS  prefix, meta
-- ARGV  replica, lease ms, grace ms, stuck, running, 1 if it drains, then per attempt: id, fence, progress ('' for none), 1
--       if it got slow
-- Returns one verdict per attempt: kept, stop (kept, but its end is asked for), lost or gone; then 1 if the replica is
-- on the list, 2 if it is and somebody asked it to drain, 0 if it must join again.
-- Keeps: a lease never reaches past the attempt's own bound plus the grace, whoever renews it.
-- uses: base full wake line policy task finish
local replica, lease, grace = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local record = call('HMGET', P .. 'replica:' .. replica, 'about', 'drain', 'epoch')
local joined, drain = record[1] and record[3] == call('HGET', META, 'epoch'), record[2]
if joined then
  call('ZADD', P .. 'replicas', NOW + lease, replica)
  call('HSET', P .. 'replica:' .. replica, 'seen_at', NOW, 'stuck', ARGV[4], 'running', ARGV[5])
  if ARGV[6] == '1' then call('HSETNX', P .. 'replica:' .. replica, 'drain', NOW) end
end
local verdicts = {}
for i = 7, #ARGV, 4 do
  local id, fence, progress, slow = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local key = task_key(id)
  local m = load(id)
  local verdict = refusal(id, m, fence)
  if verdict then
    verdict = verdict == 'gone' and 'gone' or 'lost'
  else
    local bound = bound_of(m.kind, m.started_at, call('HGET', key, 'timeout_ms'), m.deadline_at)
    call('ZADD', P .. 'running:' .. m.queue, 'XX', math.min(NOW + lease, bound + grace), id)
    if progress ~= '' then call('HSET', key, 'progress', progress) end
    if slow == '1' and call('HGET', key, 'slow') ~= fence then
      call('HSET', key, 'run', run_text(m.fence, m.attempt, whole(m.v + 1), whole(m.started_at), m.score, m.more,
        m.replica), 'slow', fence)
      event(id, m, 'running', m.v + 1, 'code', 'slow', 'attempt', m.attempt, 'replica', replica, 'run_ms',
        NOW - m.started_at)
    end
    verdict = stop_asked(id) and 'stop' or 'kept'
  end
  verdicts[#verdicts + 1] = verdict
end
verdicts[#verdicts + 1] = joined and (drain and 2 or 1) or 0
return verdicts
