-- deliver: ends the attempt that a token belongs to, or sets its progress, as a report from outside says.
--
-- KEYS  prefix, meta
-- ARGV  random seed, what Delivery.apply reads
-- Returns 1, or 0 if the token belongs to no running attempt.
-- Keeps: an attempt ends once. A report that is repeated within ten minutes is accepted again and changes nothing. Another
-- report with the same token is refused.
-- uses: base delivery exit queue removal totals trim wake
run_when_full()
math.randomseed(tonumber(ARGV[1]))
local accepted = Delivery.apply(2)
Exit.write()
Queue.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
Wake.for_next_due()
return accepted and 1 or 0
