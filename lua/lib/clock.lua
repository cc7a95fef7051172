-- uses: base claims outside record timers
-- After the server's clock was set back, leases, attempts outside and entries of replicas end too late: later than now plus
-- their length. Timers of rates are due too late.

local PAGE = 200

-- shorten_leases corrects a page of the leases and returns the next cursor, '0' at the end.
local function shorten_leases(cursor)
  local got = call('ZSCAN', P .. 'leases', cursor, 'COUNT', PAGE)
  for i = 1, #got[2], 2 do
    local fence = got[2][i]
    local text = call('HGET', P .. 'claims', fence)
    local c = text and Claims.parse(text)
    if c and tonumber(got[2][i + 1]) > NOW + c.lease then call('ZADD', P .. 'leases', whole(NOW + c.lease), fence) end
  end
  return got[1]
end

-- shorten_outside corrects a page of the attempts outside and returns the next cursor, '0' at the end.
local function shorten_outside(cursor)
  local got = call('ZSCAN', Outside.KEY, cursor, 'COUNT', PAGE)
  for i = 1, #got[2], 2 do
    local within = number(Record.soft('HGET', Record.extras_key(got[2][i]), 'within') or nil)
    if within and tonumber(got[2][i + 1]) > NOW + within then
      call('ZADD', Outside.KEY, whole(NOW + within), got[2][i])
    end
  end
  return got[1]
end

local function shorten_replicas()
  for _, replica in ipairs(call('ZRANGEBYSCORE', P .. 'replicas', '(' .. NOW_TEXT, '+inf', 'LIMIT', 0, PAGE)) do
    local lease = number(call('HGET', P .. 'replica:' .. replica, 'lease'))
    if lease and tonumber(call('ZSCORE', P .. 'replicas', replica)) > NOW + lease then
      call('ZADD', P .. 'replicas', whole(NOW + lease), replica)
    end
  end
end

-- note_behind stores in clock:behind the latest time that the clock had before it was set back, until it reaches that time.
-- The doctor reports it.
local function note_behind(last, behind)
  local latest = math.max(last or 0, behind or 0)
  if latest > NOW + 1000 then
    if latest ~= behind then call('HSET', META, 'clock:behind', whole(latest)) end
  elseif behind then
    call('HDEL', META, 'clock:behind')
  end
end

-- check stores the time. If it is earlier than the stored one, check corrects what ends too late: a page of leases, of
-- attempts outside and of timers per call until all have been checked.
function Clock.check()
  local s = call('HMGET', META, 'clock', 'rewound', 'clock:behind', 'rewound:outside', 'rewound:timers')
  local last, rewound = number(s[1]), nil
  local cursors = { rewound = number(s[2]) and s[2], ['rewound:outside'] = number(s[4]) and s[4],
    ['rewound:timers'] = number(s[5]) and s[5] }
  if last and NOW < last then rewound = '0' end
  note_behind(last, number(s[3]))
  call('HSET', META, 'clock', NOW_TEXT)
  for field, shorten in pairs({ rewound = shorten_leases, ['rewound:outside'] = shorten_outside,
    ['rewound:timers'] = Timers.shorten }) do
    local cursor = rewound or cursors[field]
    if cursor then
      if field == 'rewound' then shorten_replicas() end
      cursor = shorten(cursor)
      if cursor == '0' then call('HDEL', META, field) else call('HSET', META, field, cursor) end
    end
  end
end
