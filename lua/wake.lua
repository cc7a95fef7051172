-- wake: passes a marker on that its taker cannot use.
--
-- KEYS  prefix, meta
-- ARGV  queue
-- Returns 1.
-- Keeps: claimable work has a marker, or a replica that is about to claim.
-- uses: base wake
wake(ARGV[1])
return 1
