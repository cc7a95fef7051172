-- uses: base line offer settings
-- Claims from several lines of a queue, merged by position: see line.lua.

-- MOST is how many lines with labels a claim takes tasks from at most. Of more, each claim takes from others.
local MOST = 16

-- labelled returns the lines with labels from which a step may claim: those of the replica, and those of its class. If there
-- are too many, each of the two gets at least half of the places that it can use.
local function labelled(step, queue)
  if not step.own then return Line.some(step.class, queue, MOST) end
  local own = Line.some(step.replica, queue, MOST)
  local of_class = Line.some(step.class, queue, math.max(MOST - #own, MOST / 2))
  if #own + #of_class > MOST then own = Line.some(step.replica, queue, MOST - #of_class) end
  for _, line in ipairs(of_class) do own[#own + 1] = line end
  return own
end

-- lines returns the lines of a queue from which a step may claim.
function Merge.lines(step, queue)
  local lines = Settings.of(queue).lines and labelled(step, queue) or {}
  if not step.exclusive or string.find(queue, '^export:') then lines[#lines + 1] = queue end
  return lines
end

-- has_takeover reports whether running tasks wait in one of the lines for a take-over.
function Merge.has_takeover(lines)
  for _, line in ipairs(lines) do
    if call('EXISTS', P .. 'takeover:' .. line) == 1 then return true end
  end
  return false
end

-- sources returns the lines without that of the queue if no task waits in it: the tasks of one line need no merge.
function Merge.sources(lines, queue)
  local n = #lines
  if lines[n] ~= queue or call('EXISTS', P .. 'wait:' .. queue) == 1 then return lines end
  return { unpack(lines, 1, n - 1) }
end

-- take removes up to n candidates from the lines, in the order of their positions. It returns their ids, the line of each,
-- and the position of the last one if the lines have more, else nil. It reads from each line little more than its share,
-- and takes no candidate behind the last one that it has read of a line which has more.
function Merge.take(lines, n)
  local share, all, bound = math.ceil(n / #lines) + 4, {}, nil
  for _, line in ipairs(lines) do
    local flat = call('ZRANGE', P .. 'wait:' .. line, 0, share - 1, 'WITHSCORES')
    for i = 1, #flat, 2 do all[#all + 1] = { id = flat[i], score = tonumber(flat[i + 1]), line = line, at = #all } end
    local last = #flat == 2 * share and all[#all].score
    if last and (not bound or last < bound) then bound = last end
  end
  table.sort(all, function(a, b)
    if a.score ~= b.score then return a.score < b.score end
    return a.at < b.at -- of one line: only its tasks have equal positions
  end)
  local ids, of, taken = {}, {}, {}
  for i = 1, math.min(n, #all) do
    local c = all[i]
    if bound and c.score > bound then break end
    ids[i], of[i] = c.id, c.line
    taken[c.line] = taken[c.line] or {}
    table.insert(taken[c.line], c.id)
  end
  for line, some in pairs(taken) do
    call('ZREM', P .. 'wait:' .. line, unpack(some))
    Line.drop(line, some)
  end
  local more = bound or #ids < #all
  return ids, of, more and #ids > 0 and string.format('%016.0f', all[#ids].score) or nil
end

-- put_back puts the candidates from the i-th on back into their lines.
function Merge.put_back(ids, lines, records, i)
  local rest = {}
  for j = i, #ids do
    local score = records[j] and string.sub(records[j], 18, 33)
    if number(score) then
      local list = rest[lines[j]] or {}
      rest[lines[j]] = list
      list[#list + 1] = score
      list[#list + 1] = ids[j]
    end
  end
  for line, list in pairs(rest) do
    in_parts(2000, list, 'ZADD', P .. 'wait:' .. line)
    Line.add(line, list)
  end
end

-- close closes the lines that have no more claimable tasks. It returns whether the step could claim more from the queue.
function Merge.close(step, queue, lines)
  local more = false
  for _, line in ipairs(lines) do
    if call('EXISTS', P .. 'wait:' .. line) == 1 then more = true
    elseif line ~= queue and not Line.is_open(line) then Offer.list(line) end
  end
  for _, line in ipairs(more and {} or Merge.lines(step, queue)) do
    if line ~= queue or call('EXISTS', P .. 'wait:' .. line) == 1 then return true end
  end
  return more
end
