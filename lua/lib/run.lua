-- uses: base
-- The entries of run:QUEUE.

-- text returns the entry of a running task: fence, attempt, version, start, flag, kind, replica, group if it has one. The
-- flag is 0 if the end of the attempt has to read nothing but this entry, 1 if it has to read more, 2 if the attempt has a
-- token or its task a job, 3 if it is outside (see outside.lua), 4 if the task waits for a take-over (see jobs.lua). An
-- attempt with 3 or 4 has no claim. Padding makes the entry longer than 64 bytes, because Redis stores a hash of
-- shorter values as a list that it searches from end to end.
local SPACES = string.rep(' ', 66)
function Run.text(fence, attempt, v, start, flag, kind, replica, group)
  local text = table.concat({ fence, attempt, v, start, flag, kind, replica, group }, ' ')
  return text .. string.sub(SPACES, #text + 1)
end

-- parse reads an entry. It returns nil if the text is not one. Fence, attempt and flag stay texts.
function Run.parse(text)
  if type(text) ~= 'string' then return nil end
  local fence, attempt, v, start, flag, kind, replica, group =
    string.match(text, '^(%d+) (%d+) (%d+) (%d+) ([0-4]) (%S+) (%S+) ?(%S*) *$')
  if not fence or #fence > 16 or #attempt > 16 or #v > 16 or #start > 16 then return nil end
  return { fence = fence, attempt = attempt, v = tonumber(v), start = tonumber(start), flag = flag, kind = kind,
    replica = replica, group = group ~= '' and group or nil }
end
