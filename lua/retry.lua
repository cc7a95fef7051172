-- retry: puts ended tasks back into their queues as a new generation, behind the waiting tasks of the same priority.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, new priority or '', 1 if a payload replaces that of the tasks (rerun: none does, and the handler
--       has to run again although the result is staged; else 0), this payload, 1 if all shards of a parent run again and
--       not only those that have not succeeded, ids, or counted tasks: see counted.lua
-- Returns per task its state afterwards ('' if there is none) and 1 if it was put back, -1 if its unique key is taken, -2 if
--       it is a parent with children that still have to be stopped, -3 if the payload is too large for a parent, -4 or
--       -5 for a counted task: see counted.lua; or an error if another task is damaged, after the change of the rest; or the
--       error STALE.
-- Keeps: a parent runs at once, and its shards are put back step by step: all of them if it has succeeded. A task with a
-- staged result is exported again, unless it gets a payload or has to rerun. The counters start at 0. TTL and deadline no
-- longer apply. At most one live task holds a unique key. A call that is repeated after its reply was lost does nothing and
-- gets the first reply.
-- uses: aging base admit changes edit finish parents record revive trim
local first = Changes.repeated()
if first then return first end
if ARGV[4] ~= '1' then run_when_full() end -- a payload needs memory

-- all_again reports whether all shards of a parent run again.
local function all_again(m) return ARGV[6] == '1' or m.state == 'succeeded' end

-- put_back_parent lets a parent run again.
local function put_back_parent(m)
  local extras = Record.extras_key(m.id)
  Revive.clear(m)
  call('HSET', extras, 'shards_rerun', ARGV[4] == '0' and 0 or 1)
  Revive.parent(m, all_again(m))
  return Revive.begin(m, 'r', 'running')
end

local function put_back_ended(m)
  Edit.rewrite(m, true)
  local _, priority = Edit.priorities(m)
  local score = Aging.place(m.id, m, priority, function() return call('HINCRBY', META, 'seq', 1) end)
  if m.shards then
    call('SETRANGE', Record.key(m.id), 17, score)
    return put_back_parent(m)
  end
  return Revive.task(m, score, ARGV[4] == '0')
end

local reply = Changes.each(ARGV, 7, function(m)
  if not Record.TERMINAL[m.state] then return 0 end
  -- These children have the payload, and of a broadcast the replica, of the generation that has ended.
  if m.shards and call('EXISTS', Parents.pending(m.id)) == 1 then return -2 end
  if Edit.too_large(m, all_again(m)) then return -3 end
  local unique = m.unique and P .. 'unique:' .. m.unique
  if unique and Admit.holder_of(unique) then return -1 end
  call('ZREM', P .. 'ended:' .. m.state, m.id)
  if unique then call('SET', unique, m.id) end
  m.state = put_back_ended(m)
  return 1
end)
if freed.empty then Finish.empty() end
Trim.close()
return Changes.close(reply)
