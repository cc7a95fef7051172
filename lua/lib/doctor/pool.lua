-- uses: base rate scores special doctor/finding
-- Checks of the pool's settings, its sequences and the totals of its event stream.

-- NUMBERS are the settings that must be numbers. must_be_number adds those whose names have a variable part.
local NUMBERS = { seq = true, fence = true, limit = true, clock = true, ['clock:behind'] = true, ['limit:group'] = true,
  ['events:max'] = true, ['events:age'] = true, ['events:added'] = true, ['events:gone'] = true,
  ['archive:wait'] = true }

local function must_be_number(field)
  return NUMBERS[field] or string.find(field, '^limit:queue:') or string.find(field, '^limit:group:')
    or string.find(field, '^cap:') or string.find(field, '^aging:')
end

-- check_special checks that special:QUEUE says what its queue has: see special.lua.
local function check_special(name, field)
  local queue = string.match(field, '^takeover:(.+)$') or string.match(field, '^rate:queue:(.+)$')
    or string.match(field, '^aging:(.+)$') or string.match(field, '^lines:(.+)$') or string.match(field, '^special:(.+)$')
  if not queue or not Special.missing(queue) then return end
  DoctorFinding.report('not_special', name, queue, '', 'corrected', function() Special.note(queue) end)
end

-- setting checks that a setting is a number if it must be one. 'none' is a limit of a group, see settings.lua.
function DoctorPool.setting(name, _, field, value)
  check_special(name, field)
  if string.find(field, '^rate:') then
    if Rate.parse(value) or value == 'none' and string.find(field, '^rate:group:') then return end
    return DoctorFinding.report('bad_setting', name, field, value, 'removed', function() call('HDEL', META, field) end)
  end
  if not must_be_number(field) or string.match(value, '^%d+$') and #value <= 16 then return end
  if value == 'none' and string.find(field, '^limit:group:') then return end
  DoctorFinding.report('bad_setting', name, field, value, 'removed', function() call('HDEL', META, field) end)
end

-- total checks that a total is a number.
function DoctorPool.total(name, _, field, value)
  if string.match(value, '^%-?%d+$') and #value <= 16 then return end
  DoctorFinding.report('bad_setting', name, field, value, 'removed', function() call('HDEL', P .. name, field) end)
end

-- meta checks whether the settings were lost. The repair makes the replicas join again, which restores the limits that they
-- configure. It continues the sequence from the time in ms, which no count of tasks has reached.
function DoctorPool.meta()
  if call('HEXISTS', META, 'epoch') == 1 or call('EXISTS', P .. 'replicas') == 0 then return end
  local done = 'its replicas have to join again; live settings are gone'
  DoctorFinding.report('meta_lost', 'meta', '', '', done, function()
    call('HSET', META, 'epoch', clock[1] .. '.' .. clock[2])
    call('HSET', META, 'seq', whole(math.max(tonumber(call('HGET', META, 'seq') or 0) or 0, NOW)))
  end)
end

-- events_in returns how many events the entries in a reply of XRANGE have.
local function events_in(entries)
  local n = 0
  for _, entry in ipairs(entries) do
    local ids = fields(entry[2]).ids or ''
    n = n + select(2, string.gsub(ids, '%S+', ''))
  end
  return n
end

-- events compares the number of events in the stream, by its totals, with the number of entries: an entry has 1 to 50
-- events. The repair estimates the number from the first 20 and the last 20 entries.
function DoctorPool.events()
  local length = redis.pcall('XLEN', P .. 'events')
  if type(length) ~= 'number' then return end
  local s = call('HMGET', META, 'events:added', 'events:gone')
  if not s[1] and not s[2] and length == 0 then return end
  local gone = tonumber(s[2] or 0) or 0
  local n = (tonumber(s[1] or nil) or -1) - gone
  if n >= length and n <= 50 * length then return end
  DoctorFinding.report('events_miscounted', 'events', '', whole(n), 'estimated again', function()
    local first = call('XRANGE', P .. 'events', '-', '+', 'COUNT', 20)
    local last = call('XREVRANGE', P .. 'events', '+', '-', 'COUNT', 20)
    local each = #first > 0 and (events_in(first) + events_in(last)) / (#first + #last) or 0
    call('HSET', META, 'events:gone', whole(gone), 'events:added', whole(gone + math.ceil(length * math.max(each, 1))))
  end)
end

-- highest has the highest sequence number and fence that this call has read. It ignores numbers that no count of tasks and
-- no time can reach: another program wrote them.
local highest = { seq = 0, fence = 0 }
function DoctorPool.note_score(score, aged)
  if aged then return end -- it has no sequence number
  score = tonumber(score)
  local n = score >= 0 and score < 9007199254740992 and score % Scores.STEP or 0
  if n < Scores.STEP / 2 then highest.seq = math.max(highest.seq, n) end
end
function DoctorPool.note_fence(fence)
  fence = tonumber(fence)
  if fence < 4503599627370496 then highest.fence = math.max(highest.fence, fence) end
end

-- sequences checks that no sequence is behind a number in use: it would assign that number again.
function DoctorPool.sequences()
  for field, n in pairs(highest) do
    if n > (tonumber(call('HGET', META, field) or 0) or 0) then
      DoctorFinding.report('sequence_behind', 'meta', field, whole(n), 'raised',
        function() call('HSET', META, field, whole(n)) end)
    end
  end
end
