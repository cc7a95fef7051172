-- uses: base outcome totals
-- The stream of rejected entries of the inbox and of the list of reports.

-- entry adds an entry that cannot become a task to the stream: at most its first 16 KiB, with a code for programs and a
-- reason for people. The stream keeps about `most` entries. taken is the id of the task that has the entry's id or unique
-- key, nil for none. reply is the id under which the producer waits for a reply, '' for none.
function Reject.entry(entry, most, code, reason, taken, reply)
  local list = { 'code', code, 'reason', reason, 'bytes', #entry, 'entry', string.sub(entry, 1, 16384) }
  if taken then list[9], list[10] = 'task', taken end
  call('XADD', P .. 'inbox:rejected', 'MAXLEN', '~', most, '*', unpack(list))
  Totals.count('rejected')
  if reply ~= '' then
    call('DEL', P .. 'reply:' .. reply) -- an older reply that was not read
    Outcome.push(reply, nil, 'rejected', code, reason)
  end
end

-- report adds a rejected report to the stream, without its text, which has a token. id is that of the task that the token
-- names, '' for none.
function Reject.report(size, most, code, reason, id)
  local list = { 'code', code, 'reason', reason, 'bytes', size, 'entry', '' }
  if id ~= '' then list[9], list[10] = 'task', id end
  call('XADD', P .. 'inbox:rejected', 'MAXLEN', '~', most, '*', unpack(list))
  Totals.count('rejected')
end
