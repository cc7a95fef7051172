-- readmit: puts a rejected entry back, at the end of the inbox or of triggers:inbox.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, id of the entry, 1 if a text replaces that of the entry, this text
-- Returns 'done', 'none' if there is no such entry, or 'cut' if the stream has only the beginning of the entry and no text
--       replaces it; or the error STALE.
-- Keeps: an entry is put back once, whichever clients try to. A call that is repeated after its reply was lost does nothing
-- and gets the first reply.
-- uses: base once
local first = Once.reply()
if first then return first end
local stream, id, text = P .. 'inbox:rejected', ARGV[3], ARGV[5]
local found = call('XRANGE', stream, id, id)[1]
if not found then return 'none' end
local e = fields(found[2])
if ARGV[4] ~= '1' then
  text = e.entry or ''
  if number(e.bytes) ~= #text then return 'cut' end
end
-- If the list is a key of a wrong type, this fails before the entry is removed.
call('RPUSH', P .. (e.code == 'invalid_trigger' and 'triggers:inbox' or 'inbox'), text)
call('XDEL', stream, id)
return Once.store('done')
