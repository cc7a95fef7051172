-- uses: base words
-- The record of a task: a header line, a newline, the payload.
--
-- "w0 1700000000000 4468415255281664 KIND QUEUE name=value…": a letter for the state, whether there are extras
-- (more:ID, history:ID), when it was made, its position, and words. The first 33 bytes change in place; a retry by a person
-- drops the words about times; nothing else of a record ever changes. QUEUE is "-" for the default queue.

function Record.key(id) return P .. 'task:' .. id end
function Record.extras_key(id) return P .. 'more:' .. id end

-- extra adds a name and a value to a list of extras, unless the value is nil or false.
function Record.extra(extras, name, value)
  if not value then return end
  extras[#extras + 1] = name
  extras[#extras + 1] = value
end

Record.STATES = { s = 'scheduled', w = 'waiting', p = 'waiting',
  S = 'succeeded', F = 'failed', X = 'stopped', E = 'expired' }
Record.LETTERS = { succeeded = 'S', failed = 'F', stopped = 'X', expired = 'E' }
Record.TERMINAL = { succeeded = true, failed = true, stopped = true, expired = true }
-- A task without extras has this version while it does not run: one that was scheduled has been promoted.
Record.BASE_VERSION = { p = 2 }

-- score_of is a position: strict priority, first in first out inside one. Exact below 2^53.
Record.STEP = 35184372088832 -- 2^45
function Record.score_of(priority, sequence) return string.format('%016.0f', (127 - priority) * Record.STEP + sequence) end

-- header_of reads the header of a record, or of its beginning: letter, extras flag, created, score, words; nil if it is
-- none.
function Record.header_of(record)
  local letter, flag, created, score, at = string.match(record, '^(%a)([01]) (%d+) (%d+) ()')
  local stop = at == Words.KIND_AT and Record.STATES[letter] and string.find(record, '\n', at, true)
  local words = stop and Words.of(string.sub(record, at, stop - 1))
  if not words then return nil end
  return letter, flag, tonumber(created), score, words
end

-- soft calls a command on a key. It returns false for a key of another type: one task must not stop the others of its call.
function Record.soft(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if string.find(reply.err, 'WRONGTYPE', 1, true) then return false end
  return call(command, key, ...) -- fails as it has failed
end

-- read_head returns the beginning of a record with at least its header; false if there is no task.
function Record.read_head(id)
  local key = Record.key(id)
  local head = Record.soft('GETRANGE', key, 0, 511)
  if head and #head == 512 and not string.find(head, '\n', 1, true) then head = call('GET', key) end
  return head ~= '' and head
end
