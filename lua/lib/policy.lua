-- uses: base
-- Policies: the defaults of a kind, for options that a task does not set.

-- of returns the defaults that replicas published for a kind. They are read once per call.
local policies = {}
function Policy.of(kind)
  local p = policies[kind]
  if not p then
    p = {}
    local s = call('HGET', META, 'kind:' .. kind)
    if s then
      p.timeout_ms, p.max_attempts, p.max_lost, p.backoff, p.avoid = string.match(s, '^(%S+) (%S+) (%S+) (%S+) ?(%l*)$')
      if p.avoid ~= 'avoid' then p.avoid = nil end
      for k, v in pairs(p) do if v == '-' then p[k] = nil end end
    end
    policies[kind] = p
  end
  return p
end

-- time_for returns how many more ms an attempt may take that started `ago` ms ago: until the timeout (default: 30 minutes)
-- or the deadline of its task, whichever is earlier. words are those of the task. It returns math.huge for no bound.
function Policy.time_for(words, ago)
  local timeout = words.timeout_ms or Policy.of(words.kind).timeout_ms
  timeout = (timeout == 'none' and math.huge or number(timeout) or 1800000) - ago
  if words.deadline_at then return math.min(timeout, tonumber(words.deadline_at) - NOW) end
  return timeout
end
