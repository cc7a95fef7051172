-- wake: passes a marker on that its taker cannot use.
--
-- KEYS  prefix, meta
-- ARGV  queue
-- Returns 1.
-- Keeps: claimable work has a marker, or a replica that is about to claim.
-- uses: base full wake
wake(ARGV[1])
-- The marker may have been about a scheduled task: its taker has to learn when that is due.
if call('EXISTS', P .. 'scheduled') == 1 and call('SISMEMBER', P .. 'queues', ARGV[1]) == 1 then nudge(ARGV[1]) end
return 1
