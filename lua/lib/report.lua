-- uses: again base claims ending event exit queue record removal run settings totals
-- Reports: how attempts ended.

-- WIDTH is how many strings describe one report, by op: its id, then what Ending.apply reads. An op that ends with + has one
-- more: the meta.
local WIDTH = { ok = 1, result = 3, log = 6, export = 5, fail = 6, again = 6, release = 5, detach = 4 }

-- succeeded ends the last k of the attempts in ids. They share their run entry and need nothing more.
local function succeeded(queue, run, ids, k)
  local b = Event.batch('succeeded', run.kind, queue, 'ok')
  local n, last = b.n, #ids
  for i = last - k + 1, last do
    n = n + 1
    b.ids[n] = ids[i]
  end
  b.n = n
  Event.put(b, k, whole(run.v + 1), run.attempt, run.replica, nil, whole(NOW - run.start), run.group)
  Removal.plain(ids, last - k + 1, last)
  Totals.count('succeeded', k)
  Totals.rate('out', queue, k)
end

-- report_group ends the attempts of one group. Their run entries are in texts from index `from` on. It adds the ids that no
-- longer run to the list ended and to the keys of seen. It adds the letters of other verdicts to refused. It returns how
-- many attempts of this group have left their claim: those that it ended, those that are outside now, and those whose task
-- waits for a take-over.
local function report_group(g, queue, texts, from, ended, seen, refused)
  local before, known, run, plain, outside = #ended, nil, nil, 0, 0
  local at, n = g.at, #ended
  for j = from, from + g.n - 1 do
    local id, text = ARGV[at], texts[j]
    if text ~= known then
      if plain > 0 then succeeded(queue, run, ended, plain) end
      known, run, plain = text, Run.parse(text), 0
      if run and (run.fence ~= g.fence or run.flag == '3' or run.flag == '4') then run = nil end
    end
    if not run or seen[id] then
      refused[j] = call('EXISTS', Record.key(id)) == 1 and 'l' or 'g'
    elseif g.again_op and Again.start(at, run) then
      refused[j], seen[id], g.again = 'a', true, true
    else
      n = n + 1
      ended[n], seen[id] = id, true
      if run.flag == '0' and g.plain then
        plain = plain + 1
        if run.group then Exit.group(run.group, id) end
      else
        local verdict, runs = Ending.apply(g.op, at, run, g.width)
        refused[j] = verdict
        -- The run entry of a task that still runs has changed, so the next attempt reads its own.
        if runs then ended[n], n, outside, known = nil, n - 1, outside + 1, nil end
      end
    end
    at = at + g.width
  end
  if plain > 0 then succeeded(queue, run, ended, plain) end
  return n - before + outside
end

-- read_groups reads the groups of a queue's reports from ARGV. It returns them, all their ids, and the next index. A group
-- is plain if its tasks end without a trace, unless they need more: they succeed without a result, and no archive waits.
local function read_groups(at, wait)
  local groups, ids, n = {}, {}, 0
  for i = 1, tonumber(ARGV[at]) do
    local op, fence, last, count = unpack(ARGV, at + 1, at + 4)
    local g = { op = op, fence = fence, last = last == '1', n = tonumber(count),
      width = WIDTH[op] or WIDTH[string.sub(op, 1, -2)] + 1, at = at + 5, again_op = op == 'again' or op == 'again+',
      plain = op == 'ok' and not wait }
    at = g.at + g.n * g.width - 1
    for j = g.at, at, g.width do
      n = n + 1
      ids[n] = ARGV[j]
    end
    groups[i] = g
  end
  return groups, ids, at + 1
end

-- verdicts returns a letter per report, '' if all were accepted.
local function verdicts(n, refused)
  if not next(refused) then return '' end
  local letters = {}
  for i = 1, n do letters[i] = refused[i] or 'o' end
  return table.concat(letters)
end

-- close_claims removes the claims that have no running attempt left. ended has, by fence, how many attempts of the claim
-- ended in this call (n), whether the replica knows of no other open one (last), and whether a task goes on in place
-- (again). Only claims with last and without again are checked.
local function close_claims(ended)
  local fences = {}
  for fence, e in pairs(ended) do
    local text = e.last and not e.again and call('HGET', P .. 'claims', fence)
    if text then
      local over = string.find(text, whole(e.n) .. ' ', 1, true) == 1
      local c = not over and Claims.parse(text) -- one that cannot be read is removed when its lease ends
      if over or c and #Claims.open_ids(fence, c) == 0 then fences[#fences + 1] = fence end
    end
  end
  if #fences == 0 then return end
  call('HDEL', P .. 'claims', unpack(fences))
  call('ZREM', P .. 'leases', unpack(fences))
end

-- all ends all attempts that ARGV lists from index at on. It returns the next index and the verdicts.
function Report.all(at)
  local queues = tonumber(ARGV[at])
  at = at + 1
  if queues == 0 then return at, '' end
  local text, by_fence = {}, {}
  for i = 1, queues do
    local queue, groups, ids = ARGV[at], nil, nil
    groups, ids, at = read_groups(at + 1, Settings.of(queue).wait)
    local texts = call('HMGET', P .. 'run:' .. queue, unpack(ids))
    local from, ended, seen, refused = 1, {}, {}, {}
    for _, g in ipairs(groups) do
      local e = by_fence[g.fence] or { n = 0 }
      by_fence[g.fence] = e
      e.n, e.last = e.n + report_group(g, queue, texts, from, ended, seen, refused), e.last or g.last
      e.again = e.again or g.again
      from = from + g.n
    end
    Exit.all(queue, ended)
    text[i] = verdicts(#ids, refused)
    if text[i] == '' and queues > 1 then text[i] = string.rep('o', #ids) end
  end
  Exit.write()
  if next(claimable) then Queue.write() end
  close_claims(by_fence)
  Removal.write()
  Event.write()
  text = table.concat(text)
  return at, string.find(text, '[^o]') and text or ''
end
