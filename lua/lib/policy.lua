-- uses: base
-- What a kind of task follows where the task itself says nothing.

-- of reads the defaults that replicas published for a kind, once per call.
local policies = {}
function Policy.of(kind)
  local p = policies[kind]
  if not p then
    p = {}
    local s = call('HGET', META, 'kind:' .. kind)
    if s then
      p.timeout_ms, p.max_attempts, p.max_lost, p.backoff = string.match(s, '^(%S+) (%S+) (%S+) (%S+)$')
      for k, v in pairs(p) do if v == '-' then p[k] = nil end end
    end
    policies[kind] = p
  end
  return p
end

-- time_for is how many more ms an attempt of a task with these words may take that started so many ms ago: its timeout, at
-- most until its deadline; infinite for no bound.
function Policy.time_for(words, ago)
  local timeout = words.timeout_ms or Policy.of(words.kind).timeout_ms
  timeout = (timeout == 'none' and math.huge or number(timeout) or 1800000) - ago
  if words.deadline_at then return math.min(timeout, tonumber(words.deadline_at) - NOW) end
  return timeout
end
