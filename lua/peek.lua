-- peek: reads the next entries of the inbox and leaves them there.
--
-- KEYS  prefix, meta
-- ARGV  most entries, most bytes together, most bytes of one entry, most entries of the reject stream
-- Returns {number of entries from inbox:open, entries…}. The entries from inbox:open come first.
-- Keeps: an entry over the size limit never delays the others: its beginning goes to inbox:rejected.
-- uses: base reject totals
local entries, bytes, reply = 0, 0, { 0 }
local full = false
for _, list in ipairs({ P .. 'inbox:open', P .. 'inbox' }) do
  local at = 0
  while not full do
    local entry = call('LINDEX', list, at)
    if not entry then break end
    if #entry > tonumber(ARGV[3]) then
      -- Only the first entry of a list can be removed: the indexes of the others must not change.
      if at > 0 then
        full = true
      else
        Reject.entry(entry, ARGV[4], 'invalid', 'entry of ' .. #entry .. ' bytes is over the limit of ' .. ARGV[3], nil, '')
        call('LPOP', list)
      end
    else
      entries, at, bytes = entries + 1, at + 1, bytes + #entry
      reply[#reply + 1] = entry
      full = entries >= tonumber(ARGV[1]) or bytes >= tonumber(ARGV[2])
    end
  end
  if list == P .. 'inbox:open' then reply[1] = entries end
end
Totals.write()
return reply
