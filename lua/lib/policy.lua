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
