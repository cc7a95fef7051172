-- release: gives running tasks back without using an attempt.
--
-- KEYS  prefix, meta
-- ARGV  queues that the caller claims from next (separated by spaces, may be empty), then per report: id, fence, code,
--       delay ms
-- Returns one verdict per report: ok, already, lost or gone.
-- Keeps: the task returns to its old place in line. With code no_handler it fails if no live replica of its queue has its
-- kind.
-- uses: base full wake line policy task finish again
local function known(kind, queue)
  for _, r in ipairs(call('ZRANGEBYSCORE', P .. 'replicas', NOW, '+inf')) do
    local h = call('HMGET', P .. 'replica:' .. r, 'kinds', 'queues')
    if string.find(h[1] or '', ' ' .. kind .. ' ', 1, true) and string.find(h[2] or '', ' ' .. queue .. ' ', 1, true) then
      return true
    end
  end
  return false
end

local verdicts = {}
for i = 2, #ARGV, 4 do
  local id, fence, code, delay = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local m = load(id)
  local verdict = refusal(id, m, fence)
  if not verdict then
    leave(id, m)
    local stop = stop_asked(id)
    if stop then
      finish(id, m, 'stopped', 'stopped', nil, stop)
    elseif m.deadline_at and NOW + delay >= tonumber(m.deadline_at) then
      finish(id, m, 'failed', 'deadline')
    elseif code == 'no_handler' and not known(m.kind, m.queue) then
      fail(id, m, code, 'no live replica of queue ' .. m.queue .. ' has a handler for kind ' .. m.kind, '')
    else
      rest(id, m, delay, code)
    end
  end
  verdicts[#verdicts + 1] = verdict or 'ok'
end
flush()
wake_freed(ARGV[1])
if ARGV[1] == '' then sooner() end
return verdicts
