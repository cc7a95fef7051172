-- uses: base
-- The entries of run:QUEUE.

-- text is the entry of a running task: fence, attempt, version, start, 1 if its end has to read more than this, kind,
-- replica. It is over 64 bytes long, which keeps Redis from storing the hash as a list that it searches from end to end.
function Run.text(fence, attempt, v, start, flag, kind, replica)
  return string.format('%-66s', table.concat({ fence, attempt, v, start, flag, kind, replica }, ' '))
end

-- parse reads such an entry; nil if it is none. Fence, attempt and flag stay texts.
function Run.parse(text)
  if type(text) ~= 'string' then return nil end
  local fence, attempt, v, start, flag, kind, replica =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) ([01]) (%S+) (%S+) *$')
  v, start = number(v), number(start)
  if not (number(fence) and number(attempt) and v and start) then return nil end
  return { fence = fence, attempt = attempt, v = v, start = start, flag = flag, kind = kind, replica = replica }
end
