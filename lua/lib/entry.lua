-- Judging what is no body: the entries of indexes, and keys beside them.

-- drop is the finding that an entry of an index belongs to no task there.
local function drop(name, member, id, h, act)
  local is = not h and '' or h.state .. ' in queue ' .. h.queue
  tell(h and 'wrong_index' or 'no_body', name, id, is, 'taken out', function()
    act(P .. name, member)
    if h then judge(id) end
  end)
end
local function zrem(key, member) call('ZREM', key, member) end
local function belongs(id, fits)
  local h = body(id)
  local ok = h and fits(h)
  return ok, (LIVE[h and h.state] or ENDED[h and h.state]) and h or nil
end

-- What is looked at per entry of an index, by its kind: the rest of the key's name, the entry, its score or value.
local entry = {}
function entry.wait(name, queue, id, score)
  local ok, h = belongs(id, function(h) return h.state == 'waiting' and h.queue == queue end)
  if ok then given_out(score) else drop(name, id, id, h, zrem) end
end
function entry.running(name, queue, id)
  local ok, h = belongs(id, function(h) return h.state == 'running' and h.queue == queue end)
  if ok then return end
  drop(name, id, id, h, zrem)
  freed[queue] = true
end
function entry.scheduled(name, _, id)
  local ok, h = belongs(id, function(h) return h.state == 'scheduled' end)
  if not ok then drop(name, id, id, h, zrem) end
end
function entry.expiring(name, _, id)
  local ok, h = belongs(id, function(h) return LIVE[h.state] end)
  if not ok then drop(name, id, id, h, zrem) end
end
function entry.ended(name, state, id)
  local ok, h = belongs(id, function(h) return h.state == state end)
  if not ok then drop(name, id, id, h, zrem) end
end
entry['group:wait'] = function(name, queue, member)
  local group, score, id = string.match(member, '^(%S+) (%d+) (%S+)$')
  local ok, h = belongs(id or member, function(h)
    return h.state == 'waiting' and h.queue == queue and h.group == group and tonumber(h.score) == tonumber(score)
  end)
  if not ok or call('ZSCORE', P .. 'wait:' .. queue, id) then return drop(name, member, id or member, h, zrem) end
  if not group_full(group) and not call('HGET', P .. 'group:head:' .. queue, group) then
    tell('group_stuck', name, id, group, 'brought to the line', function() open(group) end)
  end
end
entry['group:head'] = function(name, queue, group, score)
  for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'wait:' .. queue, score, score, 'LIMIT', 0, 10)) do
    if redis.pcall('HGET', task_key(id), 'group') == group then return end
  end
  tell('head_stale', name, group, '', 'taken out', function()
    call('HDEL', P .. name, group)
    open(group)
  end)
end
entry['group:run'] = function(name, group, id)
  local ok, h = belongs(id, function(h) return h.state == 'running' and h.group == group end)
  if not ok then drop(name, id, id, h, function(key, member)
    call('SREM', key, member)
    open(group)
  end) end
end

-- What is looked at per key that is no index.
local alone = {}
function alone.task(_, id) judge(id) end
function alone.history(name, id)
  if call('EXISTS', task_key(id), P .. 'broken:task:' .. id) > 0 then return end
  tell('history_alone', name, id, '', 'removed', function() call('DEL', P .. name) end)
end
function alone.unique(name, key)
  local holder = call('GET', P .. name)
  if holds_unique(holder, key) then return end
  tell('unique_stale', name, holder, '', 'removed', function() call('DEL', P .. name) end)
end
function alone.replica(name, replica)
  local seen = tonumber(call('HGET', P .. name, 'seen_at') or 0) or 0
  if call('ZSCORE', P .. 'replicas', replica) or seen > NOW - 3600000 then return end
  tell('replica_alone', name, '', '', 'removed', function() call('DEL', P .. name, P .. 'bell:' .. replica) end)
end
function alone.load(name, step)
  if not tonumber(step) then return tell('unknown', name, '', '', '') end
  if step * 5000 > NOW - 180000 then return end
  tell('load_stale', name, '', '', 'removed', function() call('DEL', P .. name) end)
end
function alone.broken(name) tell('quarantined', name, '', '', '') end

local TYPE = { wait = 'zset', running = 'zset', scheduled = 'zset', expiring = 'zset', ended = 'zset', replicas = 'zset',
  ['group:wait'] = 'zset', ['group:head'] = 'hash', ['group:run'] = 'set', history = 'list', unique = 'string',
  events = 'stream', inbox = 'list', ['inbox:open'] = 'list', ['inbox:rejected'] = 'stream', meta = 'hash',
  stats = 'hash', load = 'hash', queues = 'set', replica = 'hash', bell = 'list', wake = 'list', call = 'string',
  lock = 'string' }
local WHOLE_NAME = { scheduled = true, expiring = true, replicas = true, events = true, inbox = true, ['inbox:open'] = true,
  ['inbox:rejected'] = true, meta = true, stats = true, queues = true }

-- kind_of takes a key's name apart: its kind, which TYPE, entry and alone know, and the rest; nil for a key of no kind.
local function kind_of(name)
  if WHOLE_NAME[name] then return name, '' end
  local kind, rest = string.match(name, '^(group:%l+):(.+)$')
  if not TYPE[kind or ''] then kind, rest = string.match(name, '^(%l+):(.+)$') end
  if kind == 'broken' then return kind, rest end
  if kind and (TYPE[kind] or alone[kind]) and not WHOLE_NAME[kind] and is_name(rest) then return kind, rest end
end
