-- drain: asks a replica to take no more tasks, to finish those it runs, and to end.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1, or 0 where it is not on the list.
-- Keeps: the request is in the replica's record, where its next renewal finds it; the bell only makes it look sooner.
-- uses: base full
local record, bell = P .. 'replica:' .. ARGV[1], P .. 'bell:' .. ARGV[1]
if call('HEXISTS', record, 'about') == 0 then return 0 end
call('HSET', record, 'drain', NOW)
-- A ring that is pending would hide what this one says.
call('DEL', bell)
call('RPUSH', bell, 'drain')
call('PEXPIRE', bell, 60000)
return 1
