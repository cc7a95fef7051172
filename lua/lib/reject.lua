-- uses: base outcome totals
-- The inbox's reject stream.

-- entry keeps an entry that cannot become a task, with the reason, for programs in one word; of a long one only the
-- beginning. taken is the id of the task that has the entry's id or unique key. reply is the id under which the producer
-- waits for an answer, '' for none.
function Reject.entry(entry, most, code, reason, taken, reply)
  local list = { 'code', code, 'reason', reason, 'bytes', #entry, 'entry', string.sub(entry, 1, 16384) }
  if taken then list[9], list[10] = 'task', taken end
  call('XADD', P .. 'inbox:rejected', 'MAXLEN', '~', most, '*', unpack(list))
  Totals.count('rejected')
  if reply ~= '' then
    call('DEL', P .. 'reply:' .. reply) -- an older answer that was not read
    Outcome.push(reply, nil, 'rejected', code, reason)
  end
end
