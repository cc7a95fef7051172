-- uses: base doctor/finding
-- Checks of the records of bulk jobs.

-- A console defines what is in the record of a bulk job. It is JSON.
function DoctorJob.record(name, job)
  local text = call('HGET', P .. name, 'job')
  local ok, record = pcall(cjson.decode, text or '')
  if ok and type(record) == 'table' then return end
  DoctorFinding.report('bad_job', name, job, '', '', function()
    call('SREM', P .. 'bulks:open', job)
    call('ZREM', P .. 'bulks', job)
    return DoctorFinding.quarantine(name)
  end)
end
