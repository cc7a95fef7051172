-- The inbox's reject stream.

-- reject keeps an entry that cannot become a task, with the reason; of a long one only the beginning.
local function reject(entry, reason, most)
  call('XADD', P .. 'inbox:rejected', 'MAXLEN', '~', most, '*', 'reason', reason, 'bytes', #entry,
    'entry', string.sub(entry, 1, 16384))
  count('rejected')
end
