-- configure: changes live settings and wakes whoever they let go.
--
-- KEYS  prefix, meta
-- ARGV  number of settings, then per setting: field of meta, value ('' removes it); then groups whose own limit changed
-- Returns 1.
-- Keeps: a setting holds for every claim after this call.
-- uses: base full wake line
local last = 1 + 2 * ARGV[1]
for i = 2, last, 2 do
  note_queue(ARGV[i])
  if ARGV[i + 1] == '' then call('HDEL', META, ARGV[i]) else call('HSET', META, ARGV[i], ARGV[i + 1]) end
end
for i = last + 1, #ARGV do open(ARGV[i]) end
for _, q in ipairs(queues()) do freed[q] = true end
wake_freed()
return 1
