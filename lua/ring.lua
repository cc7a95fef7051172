-- ring: makes a replica look up from its blocking wait.
--
-- KEYS  prefix, meta
-- ARGV  replica
-- Returns 1.
-- Keeps: at most one ring is pending.
-- uses: base full
local bell = P .. 'bell:' .. ARGV[1]
if call('LLEN', bell) == 0 then call('RPUSH', bell, 1) end
call('PEXPIRE', bell, 60000)
return 1
