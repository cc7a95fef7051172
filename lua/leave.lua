-- leave: takes a replica off the list.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1.
-- Keeps: a marker that the replica may have taken with it is left again, and its knowledge of the next due task.
-- uses: base full wake
call('ZREM', P .. 'replicas', ARGV[1])
call('DEL', P .. 'replica:' .. ARGV[1], P .. 'bell:' .. ARGV[1])
inherit()
return 1
