-- uses: base event outside record task
-- Attempts that their replicas detach: they end by a report from outside.

-- attempt makes a running attempt one that is outside for so many ms. The log is that of its replica, '' for none. meta is
-- kept for the last event of the task, nil for none.
function Detach.attempt(m, log, size, within, meta)
  local extras = { 'within', whole(within) }
  Record.extra(extras, 'meta', meta)
  if log ~= '' then
    for _, part in ipairs({ 'log', log, 'log_size', size, 'log_fence', m.fence }) do extras[#extras + 1] = part end
  end
  Task.keep(m.id, m, unpack(extras))
  m.run.v = m.run.v + 1
  Task.set_run_flag(m, Outside.OUTSIDE)
  call('ZADD', Outside.KEY, whole(Outside.ends(m, within)), m.id)
  Event.add(m, m.id, 'running', m.run.v, { code = 'detached', attempt = m.attempt, replica = m.replica,
    run_ms = NOW - m.start })
end
