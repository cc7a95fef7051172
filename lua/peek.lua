-- peek: reads the next entries of the inbox, of the list of reports or of that of triggers, and leaves them there.
--
-- KEYS  prefix, meta
-- ARGV  most entries, most bytes together, most bytes of one entry, most entries of the reject stream, name of the list
-- Returns {number of entries from NAME:open, entries…}. The entries from NAME:open come first. NAME is inbox, reports or
--       triggers:inbox.
-- Keeps: an entry over the size limit never delays the others: its beginning goes to inbox:rejected.
-- uses: base reject totals
local entries, bytes, reply = 0, 0, { 0 }
local full = false
local open = P .. ARGV[5] .. ':open'
for _, list in ipairs({ open, P .. ARGV[5] }) do
  local at = 0
  while not full do
    local entry = call('LINDEX', list, at)
    if not entry then break end
    if #entry > tonumber(ARGV[3]) then
      -- Only the first entry of a list can be removed: the indexes of the others must not change.
      if at > 0 then
        full = true
      else
        local reason = 'entry of ' .. #entry .. ' bytes is over the limit of ' .. ARGV[3]
        if ARGV[5] == 'inbox' then Reject.entry(entry, ARGV[4], 'invalid', reason, nil, '')
        elseif ARGV[5] == 'triggers:inbox' then Reject.entry(entry, ARGV[4], 'invalid_trigger', reason, nil, '')
        else Reject.report(#entry, ARGV[4], 'invalid_report', reason, '') end
        call('LPOP', list)
      end
    else
      entries, at, bytes = entries + 1, at + 1, bytes + #entry
      reply[#reply + 1] = entry
      full = entries >= tonumber(ARGV[1]) or bytes >= tonumber(ARGV[2])
    end
  end
  if list == open then reply[1] = entries end
end
Totals.write()
return reply
