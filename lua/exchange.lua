-- exchange: ends attempts of a replica, then hands it waiting tasks, in one step.
--
-- KEYS  prefix, meta
-- ARGV  replica, sequence, call, lease ms, grace ms, class ('' for a replica that takes no tasks), 1 if it has free slots in
--       queues that it does not claim from, random seed, number of busy queues, busy queues, then reports and claims:
--       number of queues, per queue: queue, number of groups, per group: op, fence, 1 if the replica knows of no other open
--       attempt of the claim, number of reports, per report: id (op ok); id, result, json, text or bytes as its form (op
--       result); id, log, log size, result, form (op export: an exporter saves the result); id, log, log size, 1 if there is
--       a result, result, form (op log); id, log, log size, code, error,
--       delay ms or '' for the policy's backoff (op fail; op again if the replica can run the next attempt in place); id,
--       log, log size, code, delay ms (op release); as for log, fail, again or release, then the meta as JSON (op log+,
--       export+, fail+, again+, release+);
--       number of claims, per claim: queue, tasks
-- Returns {now, ms until the next scheduled task or 0, verdicts ('' for all accepted, else a letter per report: o accepted,
--       a again: the next attempt runs, l lost, g gone), a letter per claim (s: no more for now, f: perhaps more), ready
--       queues, stops (as renew returns them),
--       state (0, 1: asked to drain, 2: not on the list, nothing was claimed), then per batch of tasks: head, ids, lengths,
--       records}; or the error STALE. head is fence, queue, start, ms that the attempts may take (0: no bound), and either
--       0 or, per id, how many strings of extras follow its record.
-- Keeps: running tasks never exceed the limits of pool, queue and group. Tasks start in the order of their positions. A
-- repeated call number gets the same answer again, without the tasks that the replica no longer holds. A lower number
-- changes nothing. A replica gets no task if it is not on the list or joined before the settings were lost: the limits that
-- it configures may be unknown. The call is a heartbeat if the last renewal is older than half of the lease.
-- uses: base claim event offer promote removal repeated report timers totals trim wake
-- hot: totals event trim words run settings policy exit removal report claim batch wake
-- on use: rate special
-- on use: line merge
run_when_full()
local replica, sequence, number, class = ARGV[1], ARGV[2], ARGV[3], ARGV[6]
math.randomseed(tonumber(ARGV[8]))
local record = P .. 'replica:' .. replica
local known = call('HMGET', record, 'epoch', 'sequence:' .. sequence, 'stop', 'drain', 'seen_at', 'lease', 'own')
local pool = call('HMGET', META, 'epoch', 'fence')
local joined = known[1] and known[1] == pool[1]
local step = { replica = replica, class = class, own = known[7], exclusive = string.byte(class) == 120, -- see join.lua
  lease = tonumber(ARGV[4]), grace = tonumber(ARGV[5]), started = 0, bytes = 0, fences = {},
  -- A fence is at least the time in hundredths of a ms. A failover that lost the last claims therefore repeats no fence.
  fence = math.max((tonumber(pool[2] or nil) or 0) + 1, NOW * 100), answer = { NOW },
  most_bytes = 524288, -- of records in the reply; one task always fits
  budget = 250 } -- candidates other than plain tasks; each takes up to 40 µs

-- A replica renews every third of its lease. If it could not, or the clock was set back since, this call keeps it on the
-- list.
local seen_at, lease = tonumber(known[5] or nil), tonumber(known[6] or nil)
if joined and seen_at and lease and (NOW - seen_at > lease / 2 or seen_at > NOW) then
  call('ZADD', P .. 'replicas', whole(NOW + lease), replica)
  call('HSET', record, 'seen_at', NOW_TEXT)
end

local seen, saved = string.match(known[2] or '', '^(%d+) (.*)$')
if seen and tonumber(seen) > tonumber(number) then
  return redis.error_reply('STALE a newer call of this sequence was made')
end
local function stops()
  return known[3] and table.concat(call('SMEMBERS', P .. 'stop:' .. replica), '\n') or ''
end
local state = joined and (known[4] and 1 or 0) or 2

local busy, letters, claimed, at = {}, {}, {}, 10 + ARGV[9]
for i = 10, at - 1 do busy[ARGV[i]] = true end

if seen == number then
  local ready = joined and class ~= '' and Claim.ready(class, replica, busy, claimed, step.own) or ''
  local due = Timers.next_in(replica, joined and class ~= '', Promote.next_in())
  return Repeated.answer(step, saved, due, ready, stops(), state)
end
local verdicts
at, verdicts = Report.all(at)
local due, timed = 0, call('EXISTS', P .. 'scheduled', P .. 'timers') > 0
if timed then
  due = Promote.due(100)
  Timers.fire(100, joined and ARGV[7] == '1' and class)
  Event.write()
end

if next(claimable) then
  for line in pairs(claimable) do
    if string.find(line, '#', 1, true) then
      Offer.list(line, Wake)
      step.own = call('HGET', record, 'own')
    end
  end
end
for i = 1, joined and tonumber(ARGV[at]) or 0 do
  local queue = ARGV[at + 2 * i - 1]
  letters[i], claimed[queue] = Claim.from(step, queue, tonumber(ARGV[at + 2 * i])), true
  if letters[i] == 'f' and class ~= '' then Wake.signal_for(queue, class) end
end
if step.fences[1] then call('HSET', META, 'fence', step.fences[#step.fences]) end
Trim.close()
Removal.write()
freed.pool = freed.pool or next(busy) ~= nil
local can_claim = joined and class ~= ''
Wake.caller = can_claim and replica
if next(claimable) or freed.pool or freed.timer then
  timed = true
  Wake.all()
end
-- A claim may have put a task on the schedule. This replica gets its due time if no other one got a signal for it.
if next(scheduled) and not Wake.for_next_due() then due = Promote.next_in() end
if timed then due = Timers.next_in(replica, can_claim, due) end
Totals.write()

local short, ready = table.concat(letters), ''
if joined then
  local own = class ~= '' and class or call('HGET', record, 'class') or ''
  if class == '' then call('ZREM', P .. 'idle:' .. own, replica) end
  for queue in pairs(busy) do Wake.signal_for(queue, own) end
  if class ~= '' and (ARGV[7] == '1' or string.find(short, 's', 1, true)) then
    ready = Claim.ready(class, replica, busy, claimed, step.own)
  end
  call('HSET', record, 'sequence:' .. sequence,
    table.concat({ number, '=' .. verdicts, '=' .. short, unpack(step.fences) }, ' '))
end
return { NOW, due, verdicts, short, ready, stops(), state, unpack(step.answer, 2) }
