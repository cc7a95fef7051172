-- uses: base
-- Policies: the defaults of a kind, for options that a task does not set.

-- of returns the defaults that replicas published for a kind, and in export those of its exporter, if it has one. They are
-- read once per call.
local policies = {}
function Policy.of(kind)
  local p = policies[kind]
  if not p then
    local s = call('HMGET', META, 'kind:' .. kind, 'export:' .. kind)
    local timeout, attempts, lost, backoff, rest = string.match(s[1] or '', '^(%S+) (%S+) (%S+) (%S+)(.*)$')
    p = { timeout_ms = timeout ~= '-' and timeout or nil, max_attempts = attempts ~= '-' and attempts or nil,
      max_lost = lost ~= '-' and lost or nil, backoff = backoff ~= '-' and backoff or nil, avoid = rest == ' avoid' }
    if s[2] then
      local e = {}
      e.timeout_ms, e.attempts, e.staged, e.backoff = string.match(s[2], '^(%S+) (%S+) (%S+) (%S+)$')
      p.export = e
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
