-- leave: removes a replica from the list.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1.
-- Keeps: other replicas are signalled for the ready queues and the next due task. Only this replica may have known of them.
-- uses: base members wake
run_when_full()
Members.remove_replica(ARGV[1])
freed.pool = true
Wake.all()
return 1
