-- uses: base ending exit outside policy record task wake
-- Reports from outside. The token of a report names the task, and its hash is in more:ID while the attempt runs. After a
-- report that ended an attempt, reported:HASH has its digest for ten minutes, so that a repeated report is accepted again.

local REMEMBERED = 600000 -- ms

-- WIDTH is how many strings describe one report after hash, digest and op: the id, then what Ending.apply reads, or the
-- progress.
local WIDTH = { ok = 1, result = 3, fail = 6, release = 5, progress = 2 }

-- width returns how many strings describe the report that ARGV lists from index at on.
function Delivery.width(at) return 3 + WIDTH[ARGV[at + 2]] end

-- find returns the running task of a token, nil if there is none. A task that waits for a take-over runs, too.
local function find(id, hash)
  local m = Task.load(id)
  if not m or not m.run or m.run.flag < Outside.TOKEN then return nil end
  return Outside.has_token(id, hash) and m or nil
end

-- cancel asks the replica of an attempt that has ended to cancel its handler. The next renewal of the replica removes the
-- request.
local function cancel(m)
  local record = P .. 'replica:' .. m.replica
  if call('HEXISTS', record, 'about') == 0 then return end
  call('SADD', P .. 'stop:' .. m.replica, '-' .. m.fence .. ' ' .. m.id)
  call('HSET', record, 'stop', 1)
  Wake.signal(m.replica, 'stop')
end

-- ended has the tasks whose attempts this call has ended. Their run entries are removed later.
local ended = {}

-- apply applies the report that ARGV lists from index at on: hash of the token, digest of the report, op, then as many
-- strings as WIDTH says. It returns whether the report is accepted. Nothing changes if it is not.
function Delivery.apply(at)
  local hash, digest, op = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  at = at + 3
  local key, id = P .. 'reported:' .. hash, ARGV[at]
  local m = not ended[id] and find(id, hash)
  if not m then return Record.soft('GET', key) == digest end
  if op == 'progress' then
    Task.keep(id, m, 'progress', ARGV[at + 1])
    return true
  end
  call('SET', key, digest, 'PX', REMEMBERED)
  if op == 'result' and Policy.of(m.kind).export then Ending.stage(m, ARGV[at + 1], ARGV[at + 2])
  else Ending.apply(op, at, m.run, nil, true) end
  Exit.add(m.queue, id)
  if m.run.flag == Outside.TOKEN then cancel(m) end
  ended[id] = true
  return true
end
