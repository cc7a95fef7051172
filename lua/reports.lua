-- reports: applies the reports from outside that peek returned, and removes them from their list in the same step.
--
-- KEYS  prefix, meta
-- ARGV  random seed, number of entries from reports:open, number of entries, most entries of the reject stream, then per
--       entry: the entry, reason for rejecting it ('' for none), then of a reject: the id of its task or ''; of any other:
--       what Delivery.apply reads
-- Returns the number of entries that are left, or -1 if the list has changed since: peek again.
-- Keeps: a report has one effect, whichever replicas read it or died meanwhile. The reject stream has no token.
-- uses: base delivery exit queue reject removal totals trim wake
run_when_full()
math.randomseed(tonumber(ARGV[1]))
local from_open, n, most = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
-- The list is compared as a whole first, so that a call whose list has changed does nothing.
local open = from_open > 0 and call('LRANGE', P .. 'reports:open', 0, from_open - 1) or {}
for _, text in ipairs(n > from_open and call('LRANGE', P .. 'reports', 0, n - from_open - 1) or {}) do
  open[#open + 1] = text
end
local entries, at = {}, 5
for i = 1, n do
  if ARGV[at] ~= open[i] then return -1 end
  entries[i] = at
  at = at + (ARGV[at + 1] ~= '' and 3 or 2 + Delivery.width(at + 2))
end

for _, first in ipairs(entries) do
  local size, reason = #ARGV[first], ARGV[first + 1]
  if reason ~= '' then
    Reject.report(size, most, 'invalid_report', reason, ARGV[first + 2])
  elseif not Delivery.apply(first + 2) then
    Reject.report(size, most, 'unknown_token', 'the token belongs to no running attempt', ARGV[first + 5])
  end
end
call('LTRIM', P .. 'reports:open', from_open, -1)
call('LTRIM', P .. 'reports', n - from_open, -1)
Exit.write()
Queue.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
Wake.for_next_due()
return call('LLEN', P .. 'reports:open') + call('LLEN', P .. 'reports')
