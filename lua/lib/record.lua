-- uses: base words
-- The record of a task: a header line, a newline, the payload.
--
-- "w0 1700000000000 4468415255281664 KIND QUEUE name=value…": a letter for the state, 1 if there may be extras (more:ID,
-- history:ID), when the task was made, its position, and words. QUEUE is "-" for the default queue. The first 33 bytes
-- change in place. A retry by an operator removes the words about times. An operator can replace the payload of a task that
-- does not run. Nothing else of a record ever changes.

function Record.key(id) return P .. 'task:' .. id end
function Record.extras_key(id) return P .. 'more:' .. id end

-- extra adds a name and a value to a list of extras, unless the value is nil or false.
function Record.extra(extras, name, value)
  if not value then return end
  extras[#extras + 1] = name
  extras[#extras + 1] = value
end

Record.STATES = { s = 'scheduled', w = 'waiting', p = 'waiting', e = 'exporting',
  S = 'succeeded', F = 'failed', X = 'stopped', E = 'expired' }
-- A running parent has the letter r: see shards.lua. A ninth entry would cost each enqueue time.
Record.LETTERS = { succeeded = 'S', failed = 'F', stopped = 'X', expired = 'E' }
Record.TERMINAL = { succeeded = true, failed = true, stopped = true, expired = true }
-- BASE_VERSION is the version of a task without extras that does not run, 1 for other letters: p was scheduled and promoted.
Record.BASE_VERSION = { p = 2 }

-- EXPORT and a kind are the name of the queue in which the exporting tasks of the kind wait to be saved: see staged.lua.
Record.EXPORT = 'export:'

-- header_of reads the header of a record, or of the beginning of one. It returns letter, extras flag, created, score and
-- words, or nil if there is no valid header.
function Record.header_of(record)
  local letter, flag, created, score, at = string.match(record, '^(%a)([01]) (%d+) (%d+) ()')
  local stop = at == Words.KIND_AT and (Record.STATES[letter] or letter == 'r') and string.find(record, '\n', at, true)
  local words = stop and Words.of(string.sub(record, at, stop - 1))
  if not words then return nil end
  return letter, flag, tonumber(created), score, words
end

-- soft calls a command on a key. It returns false for a key of a wrong type, so that one task does not stop the others.
function Record.soft(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if string.find(reply.err, 'WRONGTYPE', 1, true) then return false end
  return call(command, key, ...) -- raises the error
end

-- read_head returns the beginning of a record, with the whole header; false if there is no such task.
function Record.read_head(id)
  local key = Record.key(id)
  local head = Record.soft('GETRANGE', key, 0, 511)
  if head and #head == 512 and not string.find(head, '\n', 1, true) then
    head = call('GETRANGE', key, 0, 65535) -- few headers are longer, and the payload may be large
    if #head == 65536 and not string.find(head, '\n', 1, true) then head = call('GET', key) end
  end
  return head ~= '' and head
end
