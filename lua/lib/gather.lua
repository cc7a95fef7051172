-- uses: base record
-- The results of a parent's shards: results:ID has them by index while the parent runs, as JSON. A text is a JSON string,
-- bytes that are not UTF-8 are left out. A parent that has not succeeded keeps them in shard_results for a retry.

local MOST = 1048576 -- bytes of a result

local function key(parent) return P .. 'results:' .. parent end

-- add stores the result of a shard, unless the results would be over the limit together. total is the number of shards.
function Gather.add(parent, index, result, form, total)
  if form == 'text' then result = cjson.encode(result) end
  if string.find(result, '%s$') then result = string.match(result, '^(.*%S)') or result end
  local extras = Record.extras_key(parent)
  local bytes = (number(call('HGET', extras, 'shards_bytes')) or 6 * total) + #result
  if form == 'bytes' or bytes > MOST then return call('HINCRBY', extras, 'shards_omitted', 1) end
  call('HSET', extras, 'shards_bytes', whole(bytes))
  call('HSET', key(parent), index, result)
end

-- all returns the results as a JSON array with an element per shard, null for one without a result; nil if there are none.
function Gather.all(parent, total)
  local found = fields(call('HGETALL', key(parent)))
  if not next(found) then return nil end
  local parts = {}
  for i = 1, total do parts[i] = found[whole(i - 1)] or 'null' end
  return '[' .. table.concat(parts, ',') .. ']'
end

-- close removes the results of a parent that has ended. It keeps them in its extras if keep is true.
function Gather.close(parent, keep)
  local flat = keep and call('HGETALL', key(parent)) or {}
  if #flat > 0 then call('HSET', Record.extras_key(parent), 'shard_results', cjson.encode(flat)) end
  call('DEL', key(parent))
end

-- again prepares a retry of the parent. It drops all results if drop is true. Otherwise the first step for its children
-- restores them: one call may retry many parents.
function Gather.again(parent, drop)
  local extras = Record.extras_key(parent)
  call('HDEL', extras, 'shards_omitted')
  call('DEL', key(parent))
  if drop then call('HDEL', extras, 'shard_results', 'shards_bytes') end
end

-- restore puts the results of a parent that was retried back.
function Gather.restore(parent)
  local extras = Record.extras_key(parent)
  local kept = call('HGET', extras, 'shard_results')
  if not kept then return end
  call('HDEL', extras, 'shard_results')
  local valid, flat = pcall(cjson.decode, kept)
  if valid and type(flat) == 'table' then in_parts(2000, flat, 'HSET', key(parent)) end
end
