-- uses: base
-- Lines: the waiting tasks of a queue that have the same labels. A replica takes a task only if it has all of its labels.
--
-- The line of the tasks without labels has the name of the queue, any other one is QUEUE#LABELS. LABELS are separated by
-- commas: those that begin with "id=", those that begin with "host=", the others, each sorted. wait:, group:wait:,
-- group:head: and takeover: are keys per line. Limits, pauses, caps and running tasks belong to the queue.
--
-- lines:QUEUE has the LABELS of the lines with tasks, labelled:QUEUE the tasks that wait in them, by position. A server of a
-- line is a class whose replicas have the labels; of a line with an id or a host it is a replica. A line is open while tasks
-- can be claimed from it, limits and pauses aside: serving:SERVER has the open lines of a server, offers:QUEUE the servers
-- of open lines; score: when they were last signalled. While there are any, meta has the field lines:QUEUE, and
-- replica:SERVER the field own. A line without a server is in none of these, so that no claim meets it.

-- split returns the queue of a line, and its labels, nil for none.
function Line.split(line)
  local at = string.find(line, '#', 1, true)
  if not at then return line, nil end
  return string.sub(line, 1, at - 1), string.sub(line, at + 1)
end

-- add lists tasks that are put into a line. list alternates positions and ids.
function Line.add(line, list)
  local queue, labels = Line.split(line)
  if not labels then return end
  in_parts(2000, list, 'ZADD', P .. 'labelled:' .. queue)
  call('ZADD', P .. 'lines:' .. queue, 0, labels)
end

-- drop unlists tasks that have left a line. It returns whether the line has labels.
function Line.drop(line, ids)
  local queue, labels = Line.split(line)
  if labels then in_parts(2000, ids, 'ZREM', P .. 'labelled:' .. queue) end
  return labels ~= nil
end

-- some returns up to `most` open lines of a server in a queue, from a random one on if there are more.
function Line.some(server, queue, most)
  local key, from, to = P .. 'serving:' .. server, '[' .. queue .. '#', '(' .. queue .. '$'
  local found = call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, most + 1)
  if #found <= most then return found end
  local n = call('ZLEXCOUNT', key, from, to)
  return call('ZRANGEBYLEX', key, from, to, 'LIMIT', math.random(0, n - most), most)
end

-- is_open reports whether tasks can be claimed from a line, and whether these are running ones that wait for a take-over.
function Line.is_open(line)
  local taken_over = call('EXISTS', P .. 'takeover:' .. line) == 1
  return taken_over or call('EXISTS', P .. 'wait:' .. line) == 1, taken_over
end

-- waiting returns how many tasks wait in all lines of a queue.
function Line.waiting(queue)
  return call('ZCARD', P .. 'wait:' .. queue) + call('ZCARD', P .. 'group:wait:' .. queue)
    + call('ZCARD', P .. 'labelled:' .. queue)
end
