-- uses: base
-- The findings of a check. In repair mode they are repaired in the same step.

DoctorFinding.repairs = ARGV[1] ~= 'report'
DoctorFinding.list = {}

-- report adds a finding: its code, the key without the prefix, the task or member, a detail for the text. repair repairs it
-- and may return what it did, which replaces the text done. Without repair only an operator can decide what to do.
function DoctorFinding.report(code, name, id, detail, done, repair)
  if DoctorFinding.repairs and repair then done = repair() or done else done = '' end
  table.insert(DoctorFinding.list, { code, name, id, detail, done })
end

-- quarantine renames a key to broken:KEY, which no script reads and which an operator can read. It returns what it did.
function DoctorFinding.quarantine(name)
  local to = 'broken:' .. name
  if call('RENAMENX', P .. name, P .. to) == 0 then
    to = to .. ':' .. NOW_TEXT
    call('RENAMENX', P .. name, P .. to)
  end
  return 'moved to ' .. P .. to
end
