-- leave: removes a replica from the list.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1.
-- Keeps: other replicas are signalled for the ready queues and the next due task. Only this replica may have known of them.
-- uses: base former members wake
run_when_full()
Members.remove_replica(ARGV[1])
Former.trim()
freed.pool = true
Wake.all()
return 1
