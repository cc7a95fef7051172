-- uses: base event record triggers
-- Triggers that should have fired and have not.

local AFTER, RESERVED, MOST = 60000, 2000, 1000 -- RESERVED is for how long a replica that cannot fire a trigger holds it

-- report adds an entry without ids to the event stream for each trigger that is late by more than AFTER, once per planned
-- time. It returns their names. It looks at the MOST that wait for longest.
function Late.report()
  local names = {}
  for _, name in ipairs(call('ZRANGEBYSCORE', Triggers.INDEX, '-inf', whole(NOW + RESERVED), 'LIMIT', 0, MOST)) do
    local h = Record.soft('HMGET', Triggers.key(name), 'due', 'planned', 'paused', 'late')
    local due = h and not h[3] and number(h[1])
    if due and NOW - due > AFTER and h[4] ~= h[2] then
      call('HSET', Triggers.key(name), 'late', h[2])
      call('XADD', Event.KEY, '*', 'trigger', name, 'planned', h[2], 'at', NOW_TEXT)
      names[#names + 1] = name
    end
  end
  return names
end
