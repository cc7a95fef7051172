-- spread: makes children of the parent that has waited for longest, or stops some if the parent has ended, or ends tasks
-- that only a replica could run that has gone.
--
-- KEYS  prefix, meta
-- Returns {ms until the next parent has to be handled or 0, number of children made, number of children stopped
--       or ended}.
-- Keeps: each child is made once, because the step that makes it moves the cursor of the parent. A queue takes no more
-- children than its cap allows. A parent ends once: by its children, a stop or its deadline.
-- uses: base parents queue record removal spread stopping totals trim wake
local FULL = 5000 -- ms until a parent is tried again that needs memory

local made, ended = 0, 0
local first = call('ZRANGEBYSCORE', Parents.SPREADING, '-inf', NOW_TEXT, 'LIMIT', 0, 1)[1]
-- Redis that is full refuses new children. Their parent waits, so that the other entries are handled also then.
local runs = first and Record.soft('GETRANGE', Record.key(first), 0, 0) == 'r'
local refused = runs and redis.pcall('ZADD', Parents.SPREADING, 'XX', NOW_TEXT, first)
if not runs or type(refused) == 'table' then run_when_full() end
if type(refused) == 'table' then call('ZADD', Parents.SPREADING, whole(NOW + FULL), first)
elseif first then made, ended = Spread.step(first) end
Stopping.close()
Queue.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
Wake.for_next_due()
local head = tonumber(call('ZRANGE', Parents.SPREADING, 0, 0, 'WITHSCORES')[2] or nil)
return { head and math.max(head - NOW, 1) or 0, made, ended }
