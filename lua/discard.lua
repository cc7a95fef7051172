-- discard: removes rejected entries.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, ids
-- Returns a text with a digit per id: 1 if the entry was removed, 0 if there is no such entry; or the error STALE.
-- Keeps: a call that is repeated after its reply was lost does nothing and gets the first reply.
-- uses: base once
run_when_full()
local first = Once.reply()
if first then return first end
local removed = {}
for i = 3, #ARGV do removed[i - 2] = call('XDEL', P .. 'inbox:rejected', ARGV[i]) end
return Once.store(table.concat(removed))
