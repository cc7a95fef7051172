-- fire: makes the tasks of triggers that are due, and hands triggers that are due soon to the caller.
--
-- KEYS  prefix, meta
-- ARGV  most triggers to hand out, how many ms before they are due, how many ms after that another replica may get them,
--       number of groups, per group: what read_group reads; number of triggers to fire, per trigger:
--       name, op (fire; pending: for a firing that waited; run: besides the schedule; check: whether its task has ended),
--       version, planned time that the caller has read, next planned time and when it is due ('' for none), fixed delay in
--       ms or '', overlap, first and last planned time that is left out ('' for none) and why, index of the group of its
--       tasks (0 if there are none; a trigger that waits for the end of its task has a group of its own), number of firings,
--       then per firing: planned time, id, payload
-- Returns {now in us, ms until other triggers are handed out or 0, number of triggers to fire, per trigger: 0 if it has
--       changed since the caller has read it or is not due, else 1; number of firings with an outcome, per firing: outcome,
--       id of the task or '', why not; then per trigger that is handed out: name, when it is to be handled, version,
--       planned, due, pending, anchor, definition}.
-- Keeps: a planned time makes one task, whichever replicas handle it, because the step that makes the task also stores the
-- next planned time. A firing before its trigger is due makes nothing and ends the reservation of the trigger; with most =
-- 0 other replicas are signalled to get it. The caller has computed the firings from the definition with this version. A
-- run that is repeated after its reply was lost finds its task in the history and makes no other one.
-- uses: base admit finish firings make record removal stopping triggers types
-- hot: totals event trim record scores settings queues admit make removal types triggers firings wake
local most, ahead, reserve = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

local types, groups, at = Types.all(), {}, 5
types.triggers = 'zset'
for i = 1, tonumber(ARGV[4]) do
  groups[i], at = Admit.read_group(at)
  Types.of_group(types, groups[i])
end

local function read_trigger(at)
  local e = { name = ARGV[at], op = ARGV[at + 1], version = ARGV[at + 2], planned = ARGV[at + 3], next = ARGV[at + 4],
    due = ARGV[at + 5], after = ARGV[at + 6], overlap = ARGV[at + 7], first = ARGV[at + 8], last = ARGV[at + 9],
    why = ARGV[at + 10], group = groups[tonumber(ARGV[at + 11])], n = tonumber(ARGV[at + 12]), at = at + 13 }
  e.waits = e.overlap ~= 'allow' or e.after ~= ''
  if e.waits and e.group then
    e.group.words = (e.group.words ~= '' and e.group.words .. ' ' or '') .. 'trigger=' .. e.name
  end
  Firings.total = Firings.total + e.n
  return e, e.at + 3 * e.n
end

local entries, count = {}, tonumber(ARGV[at])
at = at + 1
for i = 1, count do entries[i], at = read_trigger(at) end
if count > 0 then
  local wrong = Types.wrong(types)
  if wrong then return wrong end
end

local fired = {}
for i, e in ipairs(entries) do fired[2 * i - 1], fired[2 * i] = Firings.apply(e) end
Firings.write()
local answer = { clock[1] * 1000000 + clock[2], 0, count }
for i = 1, 2 * count, 2 do
  local outcomes = fired[i + 1]
  answer[#answer + 1], answer[#answer + 2] = fired[i], #outcomes
  for _, o in ipairs(outcomes) do
    for k = 1, 3 do answer[#answer + 1] = o[k] end
  end
end
if Firings.stops then Stopping.close() end
if freed.empty then Finish.empty() end
Make.close()
Removal.write()
if most == 0 then Triggers.signal() else Triggers.write() end

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
local head = call('ZRANGE', Triggers.INDEX, 0, 0, 'WITHSCORES')[2]
local first = head and tonumber(head) or math.huge
if first < math.huge then answer[2] = math.max(first - ahead - NOW, 1) end
return answer
