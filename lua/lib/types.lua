-- uses: base
-- Types of the keys that a step which makes tasks writes. A key of a wrong type must stop such a step before its first
-- write, because Redis does not undo what a script has done.

-- all returns the keys that every such step may write: their types by name.
function Types.all()
  return { stats = 'hash', scheduled = 'zset', expiring = 'zset', held = 'set', counted = 'set' }
end

-- of_group adds the keys of a queue and a group.
function Types.of_group(types, g)
  local q = g.queue
  types['wait:' .. q], types['group:wait:' .. q], types['group:head:' .. q] = 'zset', 'zset', 'hash'
  types['run:' .. q], types['served:' .. q] = 'hash', 'set'
  if g.extras then types.parents, types.spreading = 'zset', 'zset' end
  if g.group ~= '' then types['group:run:' .. g.group], types['group:queues:' .. g.group] = 'set', 'set' end
end

-- wrong returns an error if a key has another type, else nil.
function Types.wrong(types)
  for name, kind in pairs(types) do
    local is = call('TYPE', P .. name)
    is = is.ok or is
    if is ~= 'none' and is ~= kind then
      return redis.error_reply('WRONGTYPE ' .. P .. name .. ' is a ' .. is .. ', not a ' .. kind)
    end
  end
  call('HEXISTS', META, 'seq')
end
