-- uses: base
-- The part of a record's header from the kind on: see record.lua.

Words.KIND_AT = 35 -- the byte of a record where it begins

local KNOWN = ' group labels unique timeout_ms max_attempts backoff retain_ms reply headers trigger aged shards fail_fast '
  .. 'then after shard shard_param member due_at expires_at deadline_at traceparent tracestate '
local WORD_FOR_NUMBER = { timeout_ms = 'none', retain_ms = 'forever', shards = 'all' }

-- of reads the text of that part. It caches the table, which tasks share, so callers must not change it. at_end is true if
-- the end of an attempt has to read the header for more than its group. plain is true if a claim can start the task without
-- reading more of it. line is where the task waits: see line.lua.
local known_words = {}
function Words.of(text)
  local w = known_words[text]
  if w == nil then
    local kind, queue, rest = string.match(text, '^(%S+) (%S+)(.*)$')
    w = false
    if kind then
      queue = queue == '-' and 'default' or queue
      w = { kind = kind, queue = queue, line = queue, at_end = false, plain = true }
      for name, value in string.gmatch(rest, ' ([%l_]+)=(%S+)') do
        local counts = string.find(name, '_[am][ts]$') or name == 'max_attempts' or name == 'shards'
        -- An invalid number counts as absent. The doctor reports it.
        if not string.find(KNOWN, ' ' .. name .. ' ', 1, true) then -- ignored: a later version may have written it
        elseif not counts or number(value) or value == WORD_FOR_NUMBER[name] then w[name] = value
        else w.spoiled = name end
      end
      if rest ~= '' then
        if w.labels then w.line = queue .. '#' .. w.labels end
        w.late_at = tonumber(w.expires_at or w.deadline_at or nil)
        w.at_end = (w.unique or w.retain_ms or w.reply or w.headers or w.trigger or w.late_at or w.shard
          or w['then']) and true or false
        w.plain = not (w.group or w.late_at or w.due_at or w.shard)
      end
    end
    known_words[text] = w
  end
  return w or nil
end
