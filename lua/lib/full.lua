-- uses: base policy queue record
-- Kinds with too many staged results (see staged.lua). Their waiting tasks are blocked until saves have made room: they are
-- in group:wait:LINE like those of a group with the name "!KIND". full has these kinds.

-- room returns how many more results of a kind may be staged.
function Full.room(kind)
  local p = Policy.of(kind).export
  return p and (number(p.staged) or 1000) - call('SCARD', P .. 'staged:' .. kind) or math.huge
end

-- block blocks a task that has left its line.
function Full.block(queue, kind, score, id)
  Queue.block(queue, '!' .. kind, score, id)
  call('SADD', P .. 'full', kind)
end

-- remove removes a task from its queue if it is blocked.
function Full.remove(queue, kind, score, id)
  local name = '!' .. kind
  if call('ZREM', P .. 'group:wait:' .. queue, Queue.blocked_member(name, score, id)) == 1
    and not Queue.first_blocked(queue, name) then
    call('SREM', P .. 'group:queues:' .. name, queue)
    if call('EXISTS', P .. 'group:queues:' .. name) == 0 then call('SREM', P .. 'full', kind) end
  end
end

-- unblock moves up to most blocked tasks of a kind back into their queues, as far as there is room for their results. It
-- returns how many it moved.
function Full.unblock(kind, most)
  if call('SISMEMBER', P .. 'full', kind) == 0 then return 0 end
  local name, moved, room = '!' .. kind, 0, math.min(Full.room(kind), most)
  for _, queue in ipairs(room > 0 and call('SMEMBERS', P .. 'group:queues:' .. name) or {}) do
    local key = P .. 'group:wait:' .. queue
    local members = call('ZRANGEBYLEX', key, '[' .. name .. ' ', '(' .. name .. '!', 'LIMIT', 0, room - moved)
    for _, member in ipairs(members) do
      local score, id = string.sub(member, #name + 2, #name + 17), string.sub(member, #name + 19)
      local _, _, _, _, words = Record.header_of(Record.read_head(id) or '')
      call('ZREM', key, member)
      if words then Queue.insert(queue, words.group, score, id) end
      claimable[queue] = true
      moved = moved + 1
    end
    if not Queue.first_blocked(queue, name) then call('SREM', P .. 'group:queues:' .. name, queue) end
    if moved >= room then break end
  end
  if call('EXISTS', P .. 'group:queues:' .. name) == 0 then call('SREM', P .. 'full', kind) end
  Queue.write()
  return moved
end
