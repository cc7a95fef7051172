-- wake: marks queues that have claimable tasks as ready, and signals idle replicas for them.
--
-- KEYS  prefix, meta
-- ARGV  queues
-- Returns 1.
-- Keeps: a queue with claimable tasks is ready in every class that serves it.
-- uses: base wake
run_when_full()
for _, queue in ipairs(ARGV) do Wake.queue(queue) end
return 1
