-- uses: base
-- What an inspection finds. In repair mode it is repaired in the same step.

DoctorFinding.repairs = ARGV[1] ~= 'report'
DoctorFinding.list = {}

-- report records a finding: what kind of damage, the key without the prefix, the task or member, what the text says of it.
-- act repairs it and may return what it did in place of done. Without act no repair is certainly right.
function DoctorFinding.report(code, name, id, detail, done, act)
  if DoctorFinding.repairs and act then done = act() or done else done = '' end
  table.insert(DoctorFinding.list, { code, name, id, detail, done })
end

-- quarantine renames a key, so that no script meets it and a person can look at it.
function DoctorFinding.quarantine(name)
  local to = 'broken:' .. name
  if call('RENAMENX', P .. name, P .. to) == 0 then
    to = to .. ':' .. NOW_TEXT
    call('RENAMENX', P .. name, P .. to)
  end
  return 'moved to ' .. P .. to
end
