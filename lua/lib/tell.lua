-- Telling what is broken: noted and, where the call is to mend, mended in the same step.

local MEND = ARGV[1] == 'mend'
local found = {}

-- tell notes a finding. act mends it and may return what it did, which done says otherwise; none: nobody can say what is
-- right.
local function tell(code, name, id, detail, done, act)
  if MEND and act then done = act() or done else done = '' end
  found[#found + 1] = { code, name, id, detail, done }
end

-- quarantine moves a key out of everybody's way, whole, for a person to look at.
local function quarantine(name)
  local to = 'broken:' .. name
  if call('RENAMENX', P .. name, P .. to) == 0 then
    to = to .. ':' .. NOW_TEXT
    call('RENAMENX', P .. name, P .. to)
  end
  return 'moved to ' .. P .. to
end
