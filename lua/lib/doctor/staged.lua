-- uses: base queue task doctor/task
-- Checks of exporting tasks.

-- An exporting task waits for a save, waits on the schedule after a failed save, or is being saved.
function DoctorTask.missing.exporting(m)
  local staged = 'staged:' .. m.kind
  if call('SISMEMBER', P .. staged, m.id) == 0 then
    return staged, 'counted', function()
      call('SADD', P .. staged, m.id)
      local index, _, repair = DoctorTask.missing.exporting(m)
      if index then repair() end
    end
  end
  local line = P .. 'wait:' .. m.queue
  if m.run or call('ZSCORE', line, m.id) or call('ZSCORE', P .. 'scheduled', m.id) then return nil end
  if redis.pcall('HEXISTS', P .. 'run:' .. m.queue, m.id) == 1 then return nil end -- its run entry cannot be read
  return 'wait:' .. m.queue, 'put back into its queue', function()
    Queue.insert(m.queue, nil, m.score, m.id)
    Queue.write()
    claimable[m.queue] = true
  end
end
