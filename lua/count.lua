-- count: builds the set of all running tasks, a page of queues per call. The set exists while the pool has a limit.
--
-- KEYS  prefix, meta
-- ARGV  cursor (0 for the start), most queues, limit:removed as read before the first page
-- Returns the cursor to continue from, '0' at the end. Error UNCOUNTED if the limit was removed since: count again.
-- Keeps: the first page sets a limit that blocks nothing if the pool has none. While there is a limit, the scripts update
-- the set when tasks start or end.
-- uses: base configure record
run_when_full()
if ARGV[1] == '0' then call('HSETNX', META, 'limit', Configure.UNLIMITED) end
if not Configure.counted(ARGV[3]) then return redis.error_reply('UNCOUNTED') end
local got = call('SSCAN', P .. 'queues', ARGV[1], 'COUNT', ARGV[2])
for _, queue in ipairs(got[2]) do
  local saves = string.find(queue, Record.EXPORT, 1, true) == 1
  if not saves then in_parts(2000, call('HKEYS', P .. 'run:' .. queue), 'SADD', P .. 'counted') end
end
return got[1]
