-- uses: base
-- Types of the keys that a step which makes tasks writes. A key of a wrong type must stop such a step before its first
-- write, because Redis does not undo what a script has done.

-- all returns the keys that every such step may write: their types by name.
function Types.all()
  return { stats = 'hash', scheduled = 'zset', expiring = 'zset', held = 'set', counted = 'set' }
end

-- of_group adds the keys of a queue, a line and a group.
function Types.of_group(types, g)
  local q, line = g.queue, g.line or g.queue
  types['wait:' .. line], types['group:wait:' .. line], types['group:head:' .. line] = 'zset', 'zset', 'hash'
  types['run:' .. q], types['served:' .. q] = 'hash', 'set'
  if line ~= q then
    types['lines:' .. q], types['labelled:' .. q], types['offers:' .. q] = 'zset', 'zset', 'zset'
    types['served:' .. q .. '#'] = 'set'
  end
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
