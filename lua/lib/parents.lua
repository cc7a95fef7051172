-- uses: base broadcast record wake
-- Parents: tasks whose children do their work.
--
-- A task with the word shards in its header is a parent. While it runs it has the letter r and no run entry: it takes no
-- slot and counts for no limit. parents has its id; score: its deadline, or +inf. Its children have the ids PARENT/INDEX and
-- the word shard. pending:ID has the indexes of the children that were made and have not ended. spreading has the parents
-- with children to make or to stop, "replica REPLICA" if children for this replica end as lost (see broadcast.lua), and
-- "line LINE" if tasks that wait in it for a take-over do (see loss.lua); score: when a replica handles the entry next.

Parents.INDEX, Parents.SPREADING = P .. 'parents', P .. 'spreading'
function Parents.pending(id) return P .. 'pending:' .. id end

-- queue adds an entry to spreading, which a replica handles at this time. It signals up to SIGNALLED replicas, once per
-- call.
local SIGNALLED, signalled = 2, false
function Parents.queue(id, at)
  call('ZADD', Parents.SPREADING, at, id)
  if signalled then return end
  signalled = true
  for _, replica in ipairs(call('ZRANGE', P .. 'replicas', 0, SIGNALLED - 1, 'REV')) do Wake.signal(replica, 'shards') end
end

-- lose_children queues the end of the children for a replica that has gone or drains: they end as lost.
function Parents.lose_children(replica)
  if call('EXISTS', Broadcast.key(replica)) == 1 then Parents.queue('replica ' .. replica, NOW_TEXT) end
end

-- begin starts a parent. deadline is '' for none. of has shards, queue, line and kind of the parent. A broadcast without
-- members gets them. If it gets none, its id is in freed.empty: see Finish.empty.
function Parents.begin(id, deadline, of)
  local extras = Record.extras_key(id)
  call('ZADD', Parents.INDEX, deadline ~= '' and deadline or '+inf', id)
  call('HSET', extras, 'started_at', NOW_TEXT, 'shards_next', 0)
  if of.shards == Broadcast.ALL and call('HEXISTS', extras, 'shards_total') == 0 and not Broadcast.choose(id, of) then
    freed.empty = freed.empty or {}
    freed.empty[#freed.empty + 1] = id
  end
  Parents.queue(id, NOW_TEXT)
end

-- write_extras writes the extras of new parents, and of new tasks with a task that follows. They replace the extras of an
-- earlier task with the id. It returns the letter of the records: that of a running task for a parent that is due.
function Parents.write_extras(g, ids, letter)
  local extras = {}
  if g.shards ~= '' then
    extras = { 'shards_next', 0 }
    if g.state == 'waiting' then g.state, letter = 'running', 'r' end
  end
  Record.extra(extras, 'shard_params', g.params ~= '' and g.params)
  Record.extra(extras, 'then', g.next ~= '' and g.next)
  for _, id in ipairs(ids) do
    call('DEL', Record.extras_key(id))
    call('HSET', Record.extras_key(id), unpack(extras))
  end
  return letter
end

-- begin_new makes new parents run.
function Parents.begin_new(g, ids)
  local deadline = g.deadline ~= '' and whole(NOW + g.deadline) or ''
  for _, id in ipairs(ids) do Parents.begin(id, deadline, g) end
end
