-- uses: base
-- The words of a record's header from the kind on: see record.lua.

Words.KIND_AT = 35 -- the byte of a record where they begin

local KNOWN = ' group unique timeout_ms max_attempts backoff retain_ms reply headers due_at expires_at deadline_at '
local WORD_FOR_NUMBER = { timeout_ms = 'none', retain_ms = 'forever' }

-- of reads the part of a header from the kind on. Tasks share the table it returns: it is not to be changed.
-- at_end is true if the end of an attempt has to read the header for more than its group.
local known_words = {}
function Words.of(text)
  local w = known_words[text]
  if w == nil then
    local kind, queue, rest = string.match(text, '^(%S+) (%S+)(.*)$')
    w = false
    if kind then
      w = {}
      for name, value in string.gmatch(rest, ' ([%l_]+)=(%S+)') do
        local counts = string.find(name, '_[am][ts]$') or name == 'max_attempts'
        -- A number that is none counts as absent, and is a finding of the doctor.
        if not string.find(KNOWN, ' ' .. name .. ' ', 1, true) then -- a later version may write others
        elseif not counts or number(value) or value == WORD_FOR_NUMBER[name] then w[name] = value
        else w.spoiled = name end
      end
      w.kind, w.queue = kind, queue == '-' and 'default' or queue
      w.late_at = tonumber(w.expires_at or w.deadline_at or nil)
      w.at_end = (w.unique or w.retain_ms or w.reply or w.headers or w.late_at) and true or false
      w.plain = not (w.group or w.late_at or w.due_at)
    end
    known_words[text] = w
  end
  return w or nil
end
