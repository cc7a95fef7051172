-- uses: base rate timers doctor/finding
-- Rates: their state, and the timers of what waits for them.

-- must_have checks that a queue or a group that waits for a token has a timer. at is when the token returns.
function DoctorTimers.must_have(member, at)
  if call('ZSCORE', P .. 'timers', member) then return end
  DoctorFinding.report('no_timer', 'timers', member, '', 'set', function() Rate.hold(member, at) end)
end

-- timer checks a timer. It is due when the next token returns, or earlier; later only if the server's clock was set back. A
-- timer for which nothing has to wait any more does no harm.
function DoctorTimers.timer(name, _, member, score)
  if not string.match(member, '^[qg] %S+$') then
    return DoctorFinding.report('stale_entry', name, member, '', 'removed', function() call('ZREM', P .. name, member) end)
  end
  local at = Timers.time_of(member)
  if not at or (tonumber(score) or math.huge) <= at then return end
  DoctorFinding.report('far_timer', name, member, '', 'set to its time', function()
    call('ZADD', P .. name, whole(at), member)
  end)
end

-- state checks the state of a rate.
function DoctorTimers.state(name)
  local text = call('GET', P .. name)
  if string.match(text, '^%d+ %d+ [1-9]%d*$') then return end
  DoctorFinding.report('bad_setting', name, '', text, 'removed', function() call('DEL', P .. name) end)
end
