-- uses: aging base broadcast make record shards words
-- A new priority and a new payload for tasks that do not run: ARGV[3] is the priority, '' for none, ARGV[4] is 1 if ARGV[5]
-- is the payload.

-- priorities returns the priority of a task, and its new one.
function Edit.priorities(m)
  local priority = Aging.priority(m, m.score)
  return priority, tonumber(ARGV[3]) or priority
end

-- too_large reports whether the new payload, with a copy for each shard, is over the bound. The members of a broadcast that
-- chooses them again are not known yet: see broadcast.lua.
function Edit.too_large(m, chooses)
  if not m.shards or ARGV[4] ~= '1' or m.shards == Broadcast.ALL and chooses then return false end
  return #ARGV[5] * Shards.total(m) > Broadcast.BYTES
end

-- rewrite replaces the payload in the record of a task, and removes the words about times from its header if
-- without_times.
function Edit.rewrite(m, without_times)
  local replaces = ARGV[4] == '1'
  without_times = without_times and (m.late_at or m.due_at)
  if not (replaces or without_times) then return end
  local record = call('GET', Record.key(m.id))
  local stop = string.find(record, '\n', Words.KIND_AT, true)
  local header, payload = string.sub(record, 1, stop - 1), replaces and ARGV[5] or string.sub(record, stop + 1)
  if without_times then header = string.gsub(header, ' [%l]+_at=%d+', '') end
  if replaces then Make.note_large(m.queue, { payload }) end
  call('SET', Record.key(m.id), header .. '\n' .. payload)
end
