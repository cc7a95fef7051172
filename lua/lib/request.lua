-- uses: base record
-- Stop requests for running tasks.

-- of returns the reason of the stop request for a running task, nil if there is none.
function Request.of(m) return m.flag == '1' and call('HGET', Record.extras_key(m.id), 'stop') or nil end

-- forget removes a request from those of a replica.
function Request.forget(replica, request)
  local requests = P .. 'stop:' .. replica
  if call('SREM', requests, request) == 1 and call('EXISTS', requests) == 0 then
    call('HDEL', P .. 'replica:' .. replica, 'stop')
  end
end
