-- uses: base batch event
-- Starting a task that is not plain: see Batch.start_plain.

-- task hands out the task t: id, record, words, flag (of its run entry), attempt, v, waited (ms), extras, bound (ms that
-- the attempt may take; nil for that of the task), save (true for a save: the task stays exporting and counts for no group).
function Start.task(step, queue, t)
  local words = t.words
  local c = Batch.for_bound(step, t.bound or Batch.bound_of(words))
  local n = c.n + 1
  c.n, c.ids[n], c.runs[2 * n - 1] = n, t.id, t.id
  c.runs[2 * n] = Batch.run_entry(step, c, t.attempt, t.v, t.flag, words.kind, not t.save and words.group or nil)
  c.parts[c.size + 1] = t.record
  c.size = c.size + 1
  if t.extras then
    c.counts = c.counts or {}
    c.counts[n] = whole(#t.extras)
    for _, text in ipairs(t.extras) do
      c.size = c.size + 1
      c.parts[c.size] = text
      step.bytes = step.bytes + #text
    end
  end
  if not t.save then
    local b = Event.batch('running', words.kind, queue)
    b.n = b.n + 1
    b.ids[b.n] = t.id
    Event.put(b, 1, t.v, t.attempt, step.replica, t.waited, nil, words.group)
  end
  step.started, step.bytes = step.started + 1, step.bytes + #t.record
end
