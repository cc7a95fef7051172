-- uses: base gather record task wake
-- Shards: the children of a parent.
--
-- A task with the word shards in its header is a parent. While it runs it has the letter r and no run entry: it takes no
-- slot and counts for no limit. parents has its id; score: its deadline, or +inf. Its children have the ids PARENT/INDEX and
-- the word shard. pending:ID has the indexes of the children that were made and have not ended. spreading has the parents
-- with children to make or to stop; score: when a replica handles the parent next.
--
-- more:ID of a parent has in shards_next the next index to look at, and per page of 500 indexes in shards_done:PAGE a letter
-- for each: S succeeded, F failed, X stopped, E expired, - not ended. shards_succeeded and so on are their numbers,
-- shards_error describes the first shard that did not succeed.

Shards.PARENTS, Shards.SPREADING = P .. 'parents', P .. 'spreading'
function Shards.pending(id) return P .. 'pending:' .. id end

-- PAGE is how many letters one field has.
Shards.PAGE = 500
local BLANK = string.rep('-', Shards.PAGE)
local STATES = { S = 'succeeded', F = 'failed', X = 'stopped', E = 'expired' }

-- parent_of returns the id of a child's parent, and its index as a text.
function Shards.parent_of(id) return string.match(id, '^(.+)/(%d+)$') end

-- queue lets a replica handle a parent at a time. It signals up to SIGNALLED replicas, once per call.
local SIGNALLED, signalled = 2, false
function Shards.queue(id, at)
  call('ZADD', Shards.SPREADING, at, id)
  if signalled then return end
  signalled = true
  for _, replica in ipairs(call('ZRANGE', P .. 'replicas', 0, SIGNALLED - 1, 'REV')) do Wake.signal(replica, 'shards') end
end

-- begin makes a parent one that runs from now on. deadline is '' for none.
function Shards.begin(id, deadline)
  call('ZADD', Shards.PARENTS, deadline ~= '' and deadline or '+inf', id)
  call('HSET', Record.extras_key(id), 'started_at', NOW_TEXT, 'shards_next', 0)
  Shards.queue(id, NOW_TEXT)
end

-- is_over reports whether a child must not start, because its parent does not run. A child that an operator has retried is
-- no longer pending.
function Shards.is_over(id)
  local parent, index = Shards.parent_of(id)
  if not parent or Record.soft('GETRANGE', Record.key(parent), 0, 0) == 'r' then return false end
  return Record.soft('SISMEMBER', Shards.pending(parent), index) == 1
end

-- OVER is the reason given for stopping a child.
Shards.OVER = 'its parent has ended'

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

-- total returns the number of shards of a parent.
local function total(p) return tonumber(p.shards or 0) end

-- failure returns what went wrong with the shards of a parent, nil if all that have ended have succeeded.
local function failure(p)
  local h = call('HMGET', Record.extras_key(p.id), 'shards_failed', 'shards_stopped', 'shards_expired', 'shards_error')
  local parts = {}
  for i, word in ipairs({ 'failed', 'stopped', 'expired' }) do
    if (number(h[i]) or 0) > 0 then parts[#parts + 1] = h[i] .. ' ' .. word end
  end
  if #parts == 0 then return nil end
  return 'of ' .. whole(total(p)) .. ' shards ' .. table.concat(parts, ', ') .. (h[4] and '; the first: ' .. h[4] or '')
end

-- outcome returns how a running parent ends now: state, code, result and error; nil if it does not end yet.
function Shards.outcome(p)
  local error = failure(p)
  if error and p.fail_fast then return 'failed', 'children', nil, error end
  if call('EXISTS', Shards.pending(p.id)) == 1 then return nil end
  if (number(call('HGET', Record.extras_key(p.id), 'shards_next')) or 0) < total(p) then return nil end
  if error then return 'failed', 'children', nil, error end
  return 'succeeded', 'ok', Gather.all(p.id, total(p))
end

-- child_ended notes the end of a child. It returns its parent and how that ends now, nil if it does not end.
function Shards.child_ended(m, state, code, result, error, form)
  local parent, index = Shards.parent_of(m.id)
  if not parent or Record.soft('SREM', Shards.pending(parent), index) ~= 1 then return nil end
  local p = Task.load(parent)
  if not p or not p.shards then return nil end
  Shards.note(p, tonumber(index), state, code, error)
  if p.letter ~= 'r' then return nil end
  if state == 'succeeded' and result then Gather.add(parent, index, result, form, total(p)) end
  return p, Shards.outcome(p)
end

-- close removes what a parent that ends has while it runs. Its pending children are stopped later.
function Shards.close(p, state)
  call('ZREM', Shards.PARENTS, p.id)
  Gather.close(p.id, state ~= 'succeeded')
  if call('EXISTS', Shards.pending(p.id)) == 1 then Shards.queue(p.id, NOW_TEXT)
  else call('ZREM', Shards.SPREADING, p.id) end
end

-- again prepares a retry of a parent: of all its shards, or of those that have not succeeded.
function Shards.again(p, all)
  local extras = Record.extras_key(p.id)
  for page = 0, math.ceil(total(p) / Shards.PAGE) - 1 do
    local name = 'shards_done:' .. whole(page)
    if all then call('HDEL', extras, name)
    else call('HSET', extras, name, (string.gsub(Shards.letters(p.id, whole(page)), '[^S]', '-'))) end
  end
  call('HDEL', extras, 'shards_error', 'shards_failed', 'shards_stopped', 'shards_expired')
  if all then call('HDEL', extras, 'shards_succeeded') end
  Gather.again(p.id, all)
  Shards.begin(p.id, '')
end
