-- uses: base batch claims policy record staged takeover
-- The reply to an exchange that is repeated because its reply was lost.

-- repeat_batch adds the tasks of a claim that still run under its fence to the reply.
local function repeat_batch(step, fence)
  local text = call('HGET', P .. 'claims', fence)
  local held = text and Claims.parse(text)
  local ids = held and Claims.open_ids(fence, held) or {}
  if #ids == 0 then return end
  local keys, c, left = {}, { fence = fence, n = 0, ids = {}, size = 0, parts = {} }, math.huge
  for i, id in ipairs(ids) do keys[i] = Record.key(id) end
  local function put(part)
    c.size = c.size + 1
    c.parts[c.size] = part
  end
  for i, record in ipairs(call('MGET', unpack(keys))) do
    local letter, flag, _, _, words
    if record then letter, flag, _, _, words = Record.header_of(record) end
    if letter then
      local extras = flag == '1' and call('HGETALL', Record.extras_key(ids[i])) or {}
      local ago = NOW - held.start
      if letter == 'e' then left = Staged.time_to_save(words.kind) - ago
      elseif fields(extras).cleanup then left = Takeover.CLEANUP - ago
      else left = Policy.time_for(words, ago) end
      c.n = c.n + 1
      c.ids[c.n] = ids[i]
      put(record)
      if #extras > 0 then
        c.counts = c.counts or {}
        c.counts[c.n] = whole(#extras)
      end
      for _, part in ipairs(extras) do put(part) end
    end
  end
  if c.n > 0 then Batch.add_to_reply(step, held.queue, c, table.concat(c.ids, ' '), held.start, left) end
end

-- answer returns the reply again. saved has the verdicts, letters and fences of the first one.
function Repeated.answer(step, saved, due, ready, stops, state)
  local verdicts, short, fences = string.match(saved, '^=(%l*) =(%l*)(.*)$')
  for _, fence in ipairs(split(fences or '')) do repeat_batch(step, fence) end
  return { NOW, due, verdicts or '', short or '', ready, stops, state, unpack(step.answer, 2) }
end
