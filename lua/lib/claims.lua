-- uses: base run
-- Open claims: batches that were handed out and have not ended.

-- parse reads the text of a claim: number of ids, replica, queue, start, length of the lease, '1' if the bound of the
-- attempts shortened the lease, ids. It returns nil for any other text.
function Claims.parse(text)
  local n, replica, queue, start, lease, cut, ids = string.match(text, '^(%d+) (%S+) (%S+) (%d+) (%d+) ([01]) (.*)$')
  n, start, lease = number(n), number(start), number(lease)
  if not (n and start and lease) then return nil end
  return { n = n, replica = replica, queue = queue, start = start, lease = lease, cut = cut, ids = split(ids) }
end

-- open_ids returns those of a claim's ids that still run under its fence, and their run entries. Attempts outside and
-- tasks that wait for a take-over are no longer part of their claim.
function Claims.open_ids(fence, c)
  local open_now, texts = {}, {}
  if #c.ids == 0 then return open_now, texts end
  local prefix = fence .. ' '
  for i, text in ipairs(call('HMGET', P .. 'run:' .. c.queue, unpack(c.ids))) do
    if text and string.sub(text, 1, #prefix) == prefix and Run.has_claim(text) then
      open_now[#open_now + 1] = c.ids[i]
      texts[#texts + 1] = text
    end
  end
  return open_now, texts
end

-- close removes the claims that have no running attempt left. ended has, by fence, how many attempts of the claim ended in
-- this call (n), whether the replica knows of no other open one (last), and whether a task goes on in place (again). Only
-- claims with last and without again are checked.
function Claims.close(ended)
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
