-- uses: base gather parents record task
-- Shards: the outcomes of the children of a parent, and the end of the parent.
--
-- more:ID of a parent has in shards_next the next index to look at, and per page of 500 indexes in shards_done:PAGE a letter
-- for each: S succeeded, F failed, X stopped, E expired, - not ended. shards_succeeded and so on are their numbers,
-- shards_error describes the first shard that did not succeed. shards_ahead is the next index to look at for children to
-- stop while shards_next waits for one to end.

-- PAGE is how many letters one field has.
Shards.PAGE = 500
local BLANK = string.rep('-', Shards.PAGE)
local STATES = { S = 'succeeded', F = 'failed', X = 'stopped', E = 'expired' }

-- parent_of returns the id of a child's parent, and its index as a text.
function Shards.parent_of(id) return string.match(id, '^(.+)/(%d+)$') end

-- is_over reports whether a child must not start, because its parent does not run. A child that an operator has retried is
-- no longer pending.
function Shards.is_over(id)
  local parent, index = Shards.parent_of(id)
  if not parent or Record.soft('GETRANGE', Record.key(parent), 0, 0) == 'r' then return false end
  return Record.soft('SISMEMBER', Parents.pending(parent), index) == 1
end

-- OVER, REPLACED, and MOVED with a replica, are the reasons given for stopping a child.
Shards.OVER = 'its parent has ended'
Shards.REPLACED = 'its parent was retried, and its payload is not that of the parent'
Shards.MOVED = 'its parent was retried, and this shard is now for replica '

-- letters returns a page of letters.
function Shards.letters(id, page)
  local text = call('HGET', Record.extras_key(id), 'shards_done:' .. page)
  return text and #text == Shards.PAGE and text or BLANK
end

-- clip shortens a text to about n bytes, without half a character.
local function clip(text, n)
  if #text <= n then return text end
  return string.gsub(string.sub(text, 1, n), '[\192-\255]?[\128-\191]*$', '') .. '…'
end

-- note stores how a shard of a running parent has ended.
function Shards.note(p, index, state, code, error)
  local extras, at = Record.extras_key(p.id), index % Shards.PAGE
  local page = whole((index - at) / Shards.PAGE)
  local text = Shards.letters(p.id, page)
  text = string.sub(text, 1, at) .. Record.LETTERS[state] .. string.sub(text, at + 2)
  call('HSET', extras, 'shards_done:' .. page, text)
  call('HINCRBY', extras, 'shards_' .. state, 1)
  if state ~= 'succeeded' then
    local why = clip(p.id .. '/' .. whole(index) .. ': ' .. (error and error ~= '' and error or code), 1000)
    call('HSETNX', extras, 'shards_error', why)
  end
end

-- total returns the number of shards of a parent. Of a broadcast it is the number of members.
function Shards.total(p)
  return number(p.shards) or number(call('HGET', Record.extras_key(p.id), 'shards_total')) or 0
end

-- failure returns what went wrong with the shards of a parent, nil if all that have ended have succeeded.
local function failure(p, total)
  local h = call('HMGET', Record.extras_key(p.id), 'shards_failed', 'shards_stopped', 'shards_expired', 'shards_error')
  local parts = {}
  for i, word in ipairs({ 'failed', 'stopped', 'expired' }) do
    if (number(h[i]) or 0) > 0 then parts[#parts + 1] = h[i] .. ' ' .. word end
  end
  if #parts == 0 then return nil end
  return 'of ' .. whole(total) .. ' shards ' .. table.concat(parts, ', ') .. (h[4] and '; the first: ' .. h[4] or '')
end

-- outcome returns how a running parent ends now: state, code, result and error; nil if it does not end yet.
function Shards.outcome(p)
  local extras, total = Record.extras_key(p.id), Shards.total(p)
  if total == 0 then -- a broadcast without members
    local code, why = string.match(call('HGET', extras, 'shards_refused') or '', '^(%S+) (.*)$')
    return 'failed', code or 'children', nil, why or 'its replicas are not known'
  end
  local error = failure(p, total)
  if error and p.fail_fast then return 'failed', 'children', nil, error end
  if call('EXISTS', Parents.pending(p.id)) == 1 then return nil end
  if (number(call('HGET', extras, 'shards_next')) or 0) < total then return nil end
  if error then return 'failed', 'children', nil, error end
  return 'succeeded', 'ok', Gather.all(p.id, total)
end

-- child_ended notes the end of a child. It returns its parent and how that ends now, nil if it does not end.
function Shards.child_ended(m, state, code, result, error, form)
  local parent, index = Shards.parent_of(m.id)
  if not parent or Record.soft('SREM', Parents.pending(parent), index) ~= 1 then return nil end
  local p = Task.load(parent)
  if not p or not p.shards then return nil end
  Shards.note(p, tonumber(index), state, code, error)
  if p.letter ~= 'r' then return nil end
  if state == 'succeeded' and result then Gather.add(parent, index, result, form, Shards.total(p)) end
  return p, Shards.outcome(p)
end

-- close removes the entries of a parent that it has only while it runs. Its pending children are stopped later. The letter
-- keeps another child that ends in this call from ending the parent again, also if its record is removed at the end of the
-- call.
function Shards.close(p, state)
  call('SETRANGE', Record.key(p.id), 0, Record.LETTERS[state])
  call('ZREM', Parents.INDEX, p.id)
  Gather.close(p.id, state ~= 'succeeded')
  if call('EXISTS', Parents.pending(p.id)) == 1 then Parents.queue(p.id, NOW_TEXT)
  else call('ZREM', Parents.SPREADING, p.id) end
end

