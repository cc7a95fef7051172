-- succeed: ends attempts whose handlers returned without an error.
--
-- KEYS  prefix, meta
-- ARGV  queues that the caller claims from next (separated by spaces, may be empty), then per report: id, fence, result,
--       1 if there is a result
-- Returns one verdict per report: ok, already, lost or gone.
-- Keeps: only the running attempt's own fence ends it; a repeated report changes nothing.
-- uses: base wake line finish
local verdicts = {}
for i = 2, #ARGV, 4 do
  local id, fence = ARGV[i], ARGV[i + 1]
  local m = load(id)
  local verdict = refusal(m, fence)
  if not verdict then
    leave(id, m)
    finish(id, m, 'succeeded', 'ok', ARGV[i + 3] == '1' and ARGV[i + 2] or nil)
  end
  verdicts[#verdicts + 1] = verdict or 'ok'
end
flush_doomed()
flush_totals()
wake_freed(ARGV[1])
return verdicts
