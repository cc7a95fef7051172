-- uses: base broadcast record shards words
-- Whether a task with the id of a child can be that child of a running parent. g is the group of its children: see
-- children.lua.

-- has_payload reports whether a child has the payload that a new one would have. It reads only a payload of the same length.
local function has_payload(g, id)
  local key, stop = Record.key(id), string.find(Record.read_head(id), '\n', Words.KIND_AT, true)
  return call('STRLEN', key) - stop == #g.payload and call('GETRANGE', key, stop, -1) == g.payload
end

-- why_not returns why a child cannot be that of the parent as it is now, nil if it can.
function Reuse.why_not(p, g, m, index)
  local member = Broadcast.member_of(g, index)
  if m.member ~= member then return m.created < p.created and Shards.OVER or Shards.MOVED .. (member or '-') end
  if not has_payload(g, m.id) then return Shards.REPLACED end
end

-- ended_now reports whether a child has succeeded with an attempt that began after its parent did, and that did what the
-- parent now asks for. Its parent does not know of that end if the child was retried by itself, or if keys were damaged.
function Reuse.ended_now(p, g, m, index)
  if m.state ~= 'succeeded' or m.flag ~= '1' or m.created < p.created then return false end
  local began = number(call('HGET', Record.extras_key(p.id), 'started_at'))
  local is_later = began and (number(call('HGET', Record.extras_key(m.id), 'started_at')) or 0) > began
  return is_later and not Reuse.why_not(p, g, m, index)
end

-- stays reports whether a live child is left as it is because it belongs to an earlier parent.
function Reuse.stays(p, g, m, index) return m.created < p.created and m.member == Broadcast.member_of(g, index) end
