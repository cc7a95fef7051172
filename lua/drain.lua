-- drain: requests that a replica takes no more tasks, finishes its running tasks, and ends.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1, or 0 if the replica is not on the list.
-- Keeps: the request is in the replica's record, where its next exchange or renewal reads it. The signal only makes the
-- replica read it sooner.
-- uses: base parents wake
run_when_full()
local record = P .. 'replica:' .. ARGV[1]
if call('HEXISTS', record, 'about') == 0 then return 0 end
call('HSET', record, 'drain', NOW_TEXT)
Wake.signal(ARGV[1], 'drain')
Parents.lose_children(ARGV[1])
return 1
