-- What a kind of task follows where the task itself says nothing.

-- policy reads the defaults that replicas published for a kind.
local policies = {}
local function policy(kind)
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

-- bound_of is when an attempt must have ended: its start plus its timeout, at most the deadline; infinite for none.
local function bound_of(kind, started_at, timeout_ms, deadline_at)
  local timeout = timeout_ms or policy(kind).timeout_ms
  timeout = timeout == 'none' and math.huge or tonumber(timeout) or 1800000
  return math.min(started_at + timeout, tonumber(deadline_at) or math.huge)
end

-- ms_left is the time to a bound, 0 for none.
local function ms_left(bound) return bound < math.huge and math.max(bound - NOW, 1) or 0 end
