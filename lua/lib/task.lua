-- A task as its transitions see it.

-- The field run of a task tells of its last claim: fence, attempt, version, start, place in line, the value of more or 0,
-- replica. They are one field because a claim writes and a report reads them all, and a field costs more than its text;
-- over 64 bytes it would cost the hash its compact encoding.
local function run_text(fence, attempt, v, started_at, score, more, replica)
  return fence .. ' ' .. attempt .. ' ' .. v .. ' ' .. started_at .. ' ' .. score .. ' ' .. more .. ' ' .. replica
end

local function run_of(text)
  local fence, attempt, v, started_at, score, more, replica =
    string.match(text or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d) (.+)$')
  return { fence = fence, attempt = attempt, v = tonumber(v) or 1, started_at = tonumber(started_at) or NOW,
    score = score, more = more, replica = replica or '', state = '', kind = '', queue = '' }
end

-- more_of is the field more of a task that is not plain, or not any longer: 2 if its end has to read the rest of it.
local function more_of(m) return (m.more or '0') <= '1' and '1' or '2' end

-- load reads what a transition needs of a task, without its payload; nil if there is no such task. Fields that somebody
-- else spoiled count as missing: one task must not stop the others of its call. What few tasks have is read only where
-- the field more says so: a look-up of a missing field costs as much as one of a present.
local function load(id)
  local key = task_key(id)
  local h = redis.pcall('HMGET', key, 'state', 'run', 'kind', 'queue')
  if h.err or not h[1] then return nil end
  local m = run_of(h[2])
  m.state, m.kind, m.queue = h[1], h[3] or '', h[4] or 'default'
  if m.state ~= 'running' then
    h = call('HMGET', key, 'v', 'more')
    m.v, m.more = tonumber(h[1]) or 1, h[2]
  elseif not m.fence then
    m.fence, m.attempt, m.more = '', '0', '2' -- spoiled: nobody can report it, its lease will end
  end
  if more_of(m) == '2' then
    h = call('HMGET', key, 'group', 'unique', 'retain_ms', 'headers', 'expires_at', 'deadline_at')
    m.group, m.unique, m.retain_ms, m.headers = h[1], h[2], h[3], h[4]
    m.expires_at, m.deadline_at = tonumber(h[5]), tonumber(h[6])
  end
  return m
end

-- place_of is where a task stands in line, or stood when it was claimed last; nil if it never did.
local function place_of(id, m) return tonumber(call('HGET', task_key(id), 'score') or m.score) end

-- refusal is the verdict on a write under a fence that is not the running attempt's; nil if it is.
local function refusal(id, m, fence)
  if not m then return 'gone' end
  if m.fence ~= fence then return 'lost' end
  if m.state == 'running' then return nil end
  return call('HGET', task_key(id), 'lost_fence') == fence and 'lost' or 'already'
end

-- stop_asked is the reason somebody gave for stopping a running task, false for none.
local function stop_asked(id) return call('HGET', task_key(id), 'stop') end
