-- fail: ends attempts that failed: retried later, or over for good as policy, deadline and code say.
--
-- KEYS  prefix, meta
-- ARGV  queues that the caller claims from next (separated by spaces, may be empty), random seed, then per report: id,
--       fence, code, error, log tail, delay ms ('' for the policy's backoff)
-- Returns one verdict per report: ok, already, lost or gone.
-- Keeps: only the running attempt's own fence ends it; a task that somebody asked to stop is stopped, never retried.
-- uses: base full wake line policy task finish again
math.randomseed(tonumber(ARGV[2]))
local verdicts = {}
for i = 3, #ARGV, 6 do
  local id, fence, code, error, log = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local m = load(id)
  local verdict = refusal(id, m, fence)
  if not verdict then
    leave(id, m)
    local stop = stop_asked(id)
    if stop then
      remember(id, m, code, error, log)
      finish(id, m, 'stopped', code == 'stop_abandoned' and code or 'stopped', nil, stop)
    else
      fail(id, m, code, error, log, tonumber(ARGV[i + 5]))
    end
  end
  verdicts[#verdicts + 1] = verdict or 'ok'
end
flush()
wake_freed(ARGV[1])
if ARGV[1] == '' then sooner() end
return verdicts
