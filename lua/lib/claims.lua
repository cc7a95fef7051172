-- uses: base
-- Open claims: batches that were handed out and have not ended.

-- parse reads the text of a claim: number of ids, replica, queue, start, length of the lease, '1' if the bound of the
-- attempts shortened the lease, ids. It returns nil for any other text.
function Claims.parse(text)
  local n, replica, queue, start, lease, cut, ids = string.match(text, '^(%d+) (%S+) (%S+) (%d+) (%d+) ([01]) (.*)$')
  n, start, lease = number(n), number(start), number(lease)
  if not (n and start and lease) then return nil end
  return { n = n, replica = replica, queue = queue, start = start, lease = lease, cut = cut, ids = split(ids) }
end

-- has_claim reports whether a run entry is that of an attempt that belongs to a claim.
local function has_claim(text) return string.find(text, '^%d+ %d+ %d+ %d+ [34] ') == nil end

-- open_ids returns those of a claim's ids that still run under its fence, and their run entries. Attempts outside and
-- tasks that wait for a take-over are no longer part of their claim.
function Claims.open_ids(fence, c)
  local open_now, texts = {}, {}
  if #c.ids == 0 then return open_now, texts end
  local prefix = fence .. ' '
  for i, text in ipairs(call('HMGET', P .. 'run:' .. c.queue, unpack(c.ids))) do
    if text and string.sub(text, 1, #prefix) == prefix and has_claim(text) then
      open_now[#open_now + 1] = c.ids[i]
      texts[#texts + 1] = text
    end
  end
  return open_now, texts
end
