-- uses: base line record server
-- Broadcasts: parents with one child for each replica that takes their tasks.
--
-- The word shards of such a parent is "all". Its members are chosen in the step that lets it run: the replicas on the list
-- that would take it if it were a task without shards. They serve its queue, have its labels and a handler for its kind that
-- is not disabled, and do not drain. more:ID has their number in shards_total and their ids, as JSON, in shard_params.
-- Without members shards_total is 0, and shards_refused has a code and the reason.
--
-- A child has the word member, which names its replica, and the label id= of this replica. broadcast:REPLICA has the live
-- children for a replica. When the replica leaves, or begins to drain, those that do not run end as lost: see loss.lua.

Broadcast.ALL = 'all'

-- The bounds of a broadcast: members, replicas that are looked at, and bytes of all copies of its record.
local MOST, LISTED = 1000, 2000
Broadcast.BYTES = 67108864

-- key returns the key that has the live children for a replica.
function Broadcast.key(replica) return P .. 'broadcast:' .. replica end

-- member_of returns the replica of a child of a broadcast, nil for a child of another parent.
function Broadcast.member_of(g, index) return g.broadcast and string.sub(g.params[index + 1] or '""', 2, -2) or nil end

-- come returns those of some replicas that are on the list, have joined completely, do not drain and run tasks of a kind. It
-- also returns whether one of them has a disabled handler.
local function come(replicas, kind)
  local found, word, disables = {}, ' ' .. kind .. ' ', false
  for from = 1, #replicas, MOST do
    local last = math.min(from + MOST - 1, #replicas)
    local ends = Record.soft('ZMSCORE', P .. 'replicas', unpack(replicas, from, last)) or {}
    for i = from, last do
      local is_live = (tonumber(ends[i - from + 1] or nil) or 0) > NOW
      local h = is_live and Record.soft('HMGET', P .. 'replica:' .. replicas[i], 'epoch', 'drain', 'disabled')
      local is_ready = h and h[1] and not h[2]
      disables = disables or is_ready and h[3]
      if is_ready and not string.find(h[3] or '', word, 1, true) then found[#found + 1] = replicas[i] end
    end
  end
  return found, disables
end

-- missing returns why a replica starts no more attempts: it is not on the list or drains. It returns nil if it does.
function Broadcast.missing(replica)
  local h = Record.soft('HMGET', P .. 'replica:' .. replica, 'class', 'drain') or {}
  if not h[1] then return 'replica ' .. replica .. ' has gone' end
  if h[2] then return 'replica ' .. replica .. ' drains' end
end

-- TOO_MANY and TOO_LONG are reasons why members_of returns none.
local SELECT = ': select some by labels, or use shards'
local TOO_MANY = 'more than ' .. whole(MOST) .. ' replicas take it' .. SELECT
local TOO_LONG = 'more than ' .. whole(LISTED) .. ' replicas that serve its queue are listed, live or not' .. SELECT

-- servers_of returns the servers of a line that have a handler for a kind, and a text that names them.
local function servers_of(line, kind)
  local queue, labels = Line.split(line)
  local servers, serving, names = {}, {}, {}
  if labels then servers = Server.of(queue, labels)
  else
    for i, class in ipairs(Record.soft('SMEMBERS', P .. 'served:' .. queue) or {}) do
      servers[i] = { name = class, class = class }
    end
  end
  for _, s in ipairs(servers) do
    local h = Record.soft('HMGET', P .. 'class:' .. s.class, 'complete', 'kinds') or {}
    -- A repaired class may have no kinds listed.
    if h[1] and (not h[2] or string.find(h[2], ' ' .. kind .. ' ', 1, true)) then
      serving[#serving + 1], names[#names + 1] = s, s.name
    end
  end
  return serving, table.concat(names, ' ')
end

-- members_of returns the members of a broadcast that go to some servers: ids, sorted, and text, the ids in JSON, or refused,
-- the reason why there are none.
local function members_of(serving, kind)
  local replicas = {}
  for _, s in ipairs(serving) do
    local key = P .. 'class:' .. s.class
    if not s.replica and call('HLEN', key) - 2 > LISTED then return { refused = TOO_LONG } end
    for _, field in ipairs(s.replica and { 'r:' .. s.replica } or call('HKEYS', key)) do
      replicas[#replicas + 1] = string.match(field, '^r:(.+)$')
    end
    if #replicas > LISTED then return { refused = TOO_LONG } end
  end
  local ids, disables = come(replicas, kind)
  if #ids > MOST then return { refused = TOO_MANY } end
  table.sort(ids)
  return { ids = ids, text = '"' .. table.concat(ids, '" "') .. '"', of_kind = disables and kind }
end

-- why_not returns code and text of the reason why a broadcast has no members, nil if it has.
local function why_not(id, of, members)
  if members.refused then return 'children', members.refused end
  local n = #members.ids
  if n == 0 then
    local labels = select(2, Line.split(of.line or of.queue))
    return 'no_handler', 'no live replica of queue ' .. of.queue ..
      (labels and ' with the labels ' .. string.gsub(labels, ',', ' ') or '') .. ' has a handler for kind ' .. of.kind
  end
  if call('STRLEN', Record.key(id)) * n > Broadcast.BYTES then
    return 'children', 'its payload, with a copy for each of ' .. whole(n) ..
      ' replicas, is over 64 MiB: store it elsewhere and pass a reference'
  end
end

-- choose stores the members of a broadcast that begins to run. It returns whether there are any. It caches them per call:
-- those of a thousand replicas take milliseconds.
local known = {}
function Broadcast.choose(id, of)
  local serving, names = servers_of(of.line or of.queue, of.kind)
  local members = known[names]
  if not members or members.of_kind and members.of_kind ~= of.kind then
    members = members_of(serving, of.kind)
    known[names] = members
  end
  local code, why = why_not(id, of, members)
  if code then
    call('HSET', Record.extras_key(id), 'shards_total', 0, 'shards_refused', code .. ' ' .. why)
    return false
  end
  call('HSET', Record.extras_key(id), 'shards_total', whole(#members.ids), 'shard_params', members.text)
  return true
end

-- labels_of returns the labels of a child: that of its replica, and those of its parent (nil for none).
function Broadcast.labels_of(replica, labels) return 'id=' .. replica .. (labels and ',' .. labels or '') end
