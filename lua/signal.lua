-- signal: ends a replica's blocking wait.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1.
-- Keeps: at most one signal of this kind is pending.
-- uses: base wake
run_when_full()
Wake.signal(ARGV[1], 'check')
return 1
