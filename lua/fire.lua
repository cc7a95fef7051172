-- fire: makes the tasks of triggers that are due, and hands triggers that are due soon to the caller.
--
-- KEYS  prefix, meta
-- ARGV  most triggers to hand out, how many ms before they are due, how many ms after that another replica may get them,
--       number of triggers to fire, per trigger:
--       name, op (fire; pending: for a firing that waited; run: besides the schedule; check: whether its task has ended),
--       version, planned time that the caller has read, next planned time and when it is due ('' for none), fixed delay in
--       ms or '', overlap, first and last planned time that is left out ('' for none) and why, number of firings, then per
--       firing: planned time, id, payload; then, if there are firings, what read_group reads
-- Returns {now, ms until other triggers are handed out or 0, number of triggers to fire, per trigger: 0 if it has changed
--       since the caller has read it or is not due, else 1; number of firings with an outcome, per firing: outcome, id of
--       the task or '', why not; then per trigger that is handed out: name, when it is to be handled, version, planned,
--       due, pending, anchor, definition}.
-- Keeps: a planned time makes one task, whichever replicas handle it, because the step that makes the task also stores the
-- next planned time. A firing before its trigger is due has no effect; with most = 0 other replicas get the trigger at once.
-- The caller has computed the firings from the definition with this version.
-- uses: base admit firings make record removal stopping triggers types
-- hot: totals event trim record scores settings queues admit make removal types triggers firings wake
local most, ahead, reserve = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local function read_trigger(at)
  local e = { name = ARGV[at], op = ARGV[at + 1], version = ARGV[at + 2], planned = ARGV[at + 3], next = ARGV[at + 4],
    due = ARGV[at + 5], after = ARGV[at + 6], overlap = ARGV[at + 7], first = ARGV[at + 8], last = ARGV[at + 9],
    why = ARGV[at + 10], n = tonumber(ARGV[at + 11]), at = at + 12 }
  at = e.at + 3 * e.n
  if e.n > 0 then e.group, at = Admit.read_group(at) end
  return e, at
end

local entries, at, types = {}, 5, Types.all()
types.triggers = 'zset'
for i = 1, tonumber(ARGV[4]) do
  entries[i], at = read_trigger(at)
  local e = entries[i]
  if e.group then
    Types.of_group(types, e.group)
    if e.overlap ~= 'allow' or e.after ~= '' then
      e.group.words = (e.group.words ~= '' and e.group.words .. ' ' or '') .. 'trigger=' .. e.name
    end
  end
end
if entries[1] then
  local wrong = Types.wrong(types)
  if wrong then return wrong end
end

local answer = { NOW, 0, #entries }
for _, e in ipairs(entries) do
  local applied, outcomes = Firings.apply(e)
  answer[#answer + 1], answer[#answer + 2] = applied, #outcomes
  for _, o in ipairs(outcomes) do
    for _, part in ipairs(o) do answer[#answer + 1] = part end
  end
end
if Firings.stops then Stopping.close() end
Make.close()
Removal.write()

-- The triggers that the caller handles next. BYTES bounds their definitions; one always fits.
local BYTES, bytes, reserved = 262144, 0, {}
local soon = call('ZRANGEBYSCORE', Triggers.INDEX, '-inf', whole(NOW + ahead), 'WITHSCORES', 'LIMIT', 0, most)
for i = 1, #soon, 2 do
  local name, when = soon[i], math.max(tonumber(soon[i + 1]), 0)
  local h = Record.soft('HMGET', Triggers.key(name), 'version', 'planned', 'due', 'pending', 'anchor', 'def')
  local until_other = whole(math.max(when, NOW) + reserve)
  if not h then -- a key of another type, which maintenance renames
    reserved[#reserved + 1], reserved[#reserved + 2] = until_other, name
  elseif h[1] and h[6] then
    if bytes > 0 and bytes + #h[6] > BYTES then break end
    bytes = bytes + #h[6]
    reserved[#reserved + 1], reserved[#reserved + 2] = until_other, name
    -- The score of a trigger that another replica has got and not fired is later than when it is due.
    answer[#answer + 1], answer[#answer + 2] = name, math.min(when, number(h[3]) or when)
    for k = 1, 6 do answer[#answer + 1] = h[k] or '' end
  else
    call('ZREM', Triggers.INDEX, name)
  end
end
if reserved[1] then call('ZADD', Triggers.INDEX, unpack(reserved)) end
if most == 0 then Triggers.signal() end
local head = call('ZRANGE', Triggers.INDEX, 0, 0, 'WITHSCORES')[2]
local first = head and tonumber(head) or math.huge
if first < math.huge then answer[2] = math.max(first - ahead - NOW, 1) end
return answer
