-- leave: takes a replica off the list.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1.
-- Keeps: another replica is woken for what this one may have been woken for, and for the next due task.
-- uses: base members wake
run_when_full()
Members.remove_replica(ARGV[1])
freed.pool = true
Wake.all()
return 1
