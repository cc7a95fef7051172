-- checkpoint: writes the checkpoint of a running attempt, and which job its task has.
--
-- KEYS  prefix, meta
-- ARGV  queue, id, fence (FENCE/ATTEMPT if its claim may have several attempts of the task), number of the checkpoint in the
--       attempt, data ('' removes the checkpoint), '=' and the text that names the job ('=' for none, '' for no change)
-- Returns 1, or 0 if the attempt is not the task's current one.
-- Keeps: an attempt that is not the current one writes nothing. A repeated number, and one that arrives after a higher one,
-- changes nothing. The next attempt gets the data, unless this one fails. A task with a job
-- reaches no end before its job has ended: see jobs.lua.
-- uses: base jobs outside record run task
run_when_full()
local queue, id, fence, n, data, job = unpack(ARGV)
local run = Run.parse(call('HGET', P .. 'run:' .. queue, id) or nil)
local m = Task.is_current(run, fence) and run.flag ~= Jobs.UNOWNED and Task.load(id, run)
if not m or m.state ~= 'running' then return 0 end

local last = m.flag == '1' and call('HGET', Record.extras_key(id), 'checkpoint_call') or ''
local last_fence, last_n = string.match(last, '^(%S+) (%d+)$')
if last_fence == fence and tonumber(last_n) >= tonumber(n) then return 1 end

Task.keep(id, m, 'checkpoint', data, 'checkpoint_at', NOW_TEXT, 'checkpoint_call', fence .. ' ' .. n)
if data == '' then call('HDEL', Record.extras_key(id), 'checkpoint', 'checkpoint_at') end
if job == '=' then
  call('HDEL', Record.extras_key(id), 'job')
elseif job ~= '' then
  Task.keep(id, m, 'job', string.sub(job, 2))
  if run.flag < Outside.TOKEN then Task.set_run_flag(m, Outside.TOKEN) end
end
return 1
