-- spread: makes children of the parent that has waited for longest, or stops some if the parent has ended, or ends tasks
-- that only a replica could run that has gone.
--
-- KEYS  prefix, meta
-- Returns {ms until the next parent has to be handled or 0, number of children made, number of children stopped
--       or ended}.
-- Keeps: each child is made once, because the step that makes it moves the cursor of the parent. A queue takes no more
-- children than its cap allows. A parent ends once: by its children, a stop or its deadline.
-- uses: base parents queue record removal spread stopping totals trim wake
local MOST = 1000 -- entries that a step looks at if Redis is full

-- runs reports whether an entry is that of a running parent, whose step makes children.
local function runs(entry) return Record.soft('GETRANGE', Record.key(entry), 0, 0) == 'r' end

-- next_entry returns the entry that has waited for longest, nil if none is due. Redis that is full refuses new children.
-- Then it returns the first entry that makes none, so that tasks end also then.
local function next_entry()
  local first = call('ZRANGEBYSCORE', Parents.SPREADING, '-inf', NOW_TEXT, 'LIMIT', 0, 1)[1]
  local is_parent = first and runs(first)
  if is_parent and type(redis.pcall('ZADD', Parents.SPREADING, 'XX', NOW_TEXT, first)) == 'table' then
    for _, entry in ipairs(call('ZRANGEBYSCORE', Parents.SPREADING, '-inf', NOW_TEXT, 'LIMIT', 1, MOST)) do
      if not runs(entry) then
        run_when_full()
        return entry
      end
    end
  end
  if first and not is_parent then run_when_full() end
  return first
end

local made, ended, entry = 0, 0, next_entry()
if entry then made, ended = Spread.step(entry) end
Stopping.close()
Queue.write()
Trim.close()
Removal.write()
Totals.write()
Wake.all()
Wake.for_next_due()
local head = tonumber(call('ZRANGE', Parents.SPREADING, 0, 0, 'WITHSCORES')[2] or nil)
return { head and math.max(head - NOW, 1) or 0, made, ended }
