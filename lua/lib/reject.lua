-- The inbox's reject stream.

-- reject keeps an entry that cannot become a task, with the reason, for programs in one word; of a long one only the
-- beginning. taken is the id of the task that has the entry's id or unique key.
local function reject(entry, most, code, reason, taken)
  local fields = { 'code', code, 'reason', reason, 'bytes', #entry, 'entry', string.sub(entry, 1, 16384) }
  if taken then
    fields[9], fields[10] = 'task', taken
  end
  call('XADD', P .. 'inbox:rejected', 'MAXLEN', '~', most, '*', unpack(fields))
  count('rejected')
end
