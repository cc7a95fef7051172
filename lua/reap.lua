-- reap: takes back all attempts of the claims whose leases have ended, ends attempts outside whose time has passed and
-- parents whose deadline has passed, and lets replicas take over tasks whose delay has passed.
--
-- KEYS  prefix, meta
-- ARGV  random seed, most attempts of claims (one claim is always taken back) and most attempts outside
-- Returns {ms until the next lease, attempt outside or deadline of a parent ends or 0, number of claims, number of attempts
--       lost, number of run entries without a task, number of attempts outside that timed out}.
-- Keeps: a lost lease does not count as a failure. A task that has lost more leases than its maximum has failed.
-- uses: base attempts claims clock exit finish jobs outside parents queue record removal run staged task totals trim wake
run_when_full()
math.randomseed(tonumber(ARGV[1]))
Clock.check()

local claims, lost, orphans, total, most = 0, 0, 0, 0, tonumber(ARGV[2])

local function take_claim_back(fence, c)
  local ids, texts = Claims.open_ids(fence, c)
  for i, id in ipairs(ids) do
    local m = Task.load(id, Run.parse(texts[i]))
    if m and m.run then
      if m.home then Staged.take_back(m) else Attempts.take_back(m, c.cut) end
      lost = lost + 1
    else
      Exit.add(c.queue, id)
      Totals.count('orphans')
      orphans = orphans + 1
    end
  end
  if #ids > 0 then claims = claims + 1 end
end

for _, fence in ipairs(call('ZRANGEBYSCORE', P .. 'leases', '-inf', NOW_TEXT, 'LIMIT', 0, 100)) do
  local text = call('HGET', P .. 'claims', fence)
  local c = text and Claims.parse(text)
  total = total + (c and c.n or 0)
  if c and total > most and total > c.n then break end -- never before the first claim
  if c then take_claim_back(fence, c) end
  call('HDEL', P .. 'claims', fence)
  call('ZREM', P .. 'leases', fence)
end

local timed_out = 0
for _, id in ipairs(call('ZRANGEBYSCORE', Outside.KEY, '-inf', NOW_TEXT, 'LIMIT', 0, most)) do
  local m = Task.load(id)
  if m and m.run and m.run.flag == Outside.OUTSIDE then
    Attempts.time_out(m)
    timed_out = timed_out + 1
  elseif m and m.run and m.run.flag == Jobs.UNOWNED then
    call('ZREM', Outside.KEY, id)
    call('HDEL', Record.extras_key(id), 'within')
    Jobs.list(m)
  else
    call('ZREM', Outside.KEY, id)
    Totals.count('orphans')
  end
end

for _, id in ipairs(call('ZRANGEBYSCORE', Parents.INDEX, '-inf', NOW_TEXT, 'LIMIT', 0, most)) do
  local p = Task.load(id)
  if p and p.letter == 'r' then
    Finish.task(p, 'failed', 'deadline', nil, 'the deadline passed before all its shards had ended')
  else
    call('ZREM', Parents.INDEX, id)
  end
end

Exit.write()
Queue.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
Wake.for_next_due()
local first = math.huge
for _, key in ipairs({ P .. 'leases', Outside.KEY, Parents.INDEX }) do
  first = math.min(first, tonumber(call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or nil) or math.huge)
end
return { first < math.huge and math.max(first - NOW, 1) or 0, claims, lost, orphans, timed_out }
