-- uses: aging base event parents queue record scores settings
-- The schedule: tasks that are not due yet.

-- next_in returns how many ms remain until the next scheduled task is due, 0 for none. Tasks on hold do not count.
function Promote.next_in()
  local head = call('ZRANGE', P .. 'scheduled', 0, 0)[1]
  local due = head and tonumber(call('ZSCORE', P .. 'scheduled', head))
  if not due or due >= Scores.HOLD then return 0 end
  return math.max(due - NOW, 1)
end

-- one puts a scheduled task into its queue, or starts a parent. The caller has removed it from the schedule. next_sequence
-- returns the sequence number for a task that never had one.
function Promote.one(id, next_sequence)
  local head = Record.read_head(id)
  local letter, flag, created, score, words
  if head then letter, flag, created, score, words = Record.header_of(head) end
  if letter == 'e' then
    local line = Record.EXPORT .. words.kind
    Queue.insert(line, nil, score, id)
    claimable[line] = true
    return true
  end
  if letter ~= 's' then return false end
  local position = tonumber(score)
  if words.aged or Settings.of(words.queue).aging then score = Aging.due(id, words, score, next_sequence)
  elseif position % Scores.STEP == 0 then score = string.format('%016.0f', position + next_sequence()) end
  local v = 2
  if flag == '1' then
    v = (number(call('HGET', Record.extras_key(id), 'v')) or 1) + 1
    call('HSET', Record.extras_key(id), 'v', whole(v))
  end
  local start = words.shards and 'r1 ' or flag == '1' and 'w1 ' or 'p0 '
  call('SETRANGE', Record.key(id), 0, start .. string.sub(head, 4, 17) .. score)
  if words.shards then
    Parents.begin(id, words.deadline_at or '', words)
    Event.add(words, id, 'running', v)
    return true
  end
  Queue.insert(words.line, words.group, score, id)
  Event.add(words, id, 'waiting', v)
  claimable[words.line] = true
  return true
end

-- due moves up to most due tasks into their queues. It returns how many ms remain until the next one is due, 0 for none,
-- and how many tasks it promoted.
function Promote.due(most)
  if call('EXISTS', P .. 'scheduled') == 0 then return 0, 0 end
  local due = call('ZRANGEBYSCORE', P .. 'scheduled', '-inf', NOW_TEXT, 'LIMIT', 0, most)
  if #due == 0 then return Promote.next_in(), 0 end
  call('ZREM', P .. 'scheduled', unpack(due))
  local sequence, promoted = nil, 0
  local function next_sequence()
    sequence = (sequence or call('HINCRBY', META, 'seq', #due) - #due) + 1
    return sequence
  end
  for _, id in ipairs(due) do
    if Promote.one(id, next_sequence) then promoted = promoted + 1 end
  end
  Queue.write()
  return Promote.next_in(), promoted
end
