-- token: stores the hash of the token with which a report from outside can end a running attempt.
--
-- KEYS  prefix, meta
-- ARGV  queue, id, fence (FENCE/ATTEMPT if its claim may have several attempts of the task), hash of the token
-- Returns 1, or 0 if the attempt no longer runs on its replica or is a clean-up.
-- Keeps: an attempt has one token. The end of the attempt removes it.
-- uses: base outside run task
run_when_full()
local run = Run.parse(call('HGET', P .. 'run:' .. ARGV[1], ARGV[2]) or nil)
if not Task.is_current(run, ARGV[3]) or run.flag >= Outside.OUTSIDE then return 0 end
local m = Task.load(ARGV[2], run)
if not m or m.state ~= 'running' then return 0 end
return Outside.issue(m, ARGV[4])
