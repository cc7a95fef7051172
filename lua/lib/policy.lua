-- uses: base
-- Policies: the defaults of a kind, for options that a task does not set.

-- of returns the defaults that replicas published for a kind, and in export those of its exporter, if it has one. They are
-- read once per call.
local policies = {}
function Policy.of(kind)
  local p = policies[kind]
  if not p then
    p = {}
    local s = call('HMGET', META, 'kind:' .. kind, 'export:' .. kind)
    if s[1] then
      p.timeout_ms, p.max_attempts, p.max_lost, p.backoff, p.avoid = string.match(s[1], '^(%S+) (%S+) (%S+) (%S+) ?(%l*)$')
      if p.avoid ~= 'avoid' then p.avoid = nil end
      for k, v in pairs(p) do if v == '-' then p[k] = nil end end
    end
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

-- time_to_save returns how many ms a save of a result of the kind may take.
function Policy.time_to_save(kind)
  local p = Policy.of(kind).export
  return number(p and p.timeout_ms) or 60000
end

-- room_to_stage returns how many more results of a kind may be staged.
function Policy.room_to_stage(kind)
  local p = Policy.of(kind).export
  return p and (number(p.staged) or 1000) - call('SCARD', P .. 'staged:' .. kind) or math.huge
end
