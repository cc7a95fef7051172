-- change: gives waiting and scheduled tasks another priority or another payload.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, new priority or '', 1 if a payload replaces that of the tasks, this payload, ids,
--       or counted tasks: see counted.lua
-- Returns per task its state ('' if there is none) and 1 if it has these values now, -3 if the payload is too large for a
--       parent, -4 or -5 for a counted task: see counted.lua; or an error if another task is damaged, after the change of
--       the rest; or the error STALE.
-- Keeps: a running or ended task does not change. A task with a new priority takes a position behind those that have it. In
-- a queue with aging it keeps the time from which it has waited. A task that has this priority already keeps its position.
-- State and version stay, so there is no event. A call that is repeated after its reply was lost does nothing and gets the
-- first reply.
-- uses: aging base changes edit full line queue record trim
local first = Changes.repeated()
if first then return first end
if ARGV[4] ~= '1' then run_when_full() end -- a payload needs memory
local reply = Changes.each(ARGV, 6, function(m)
  if m.state ~= 'waiting' and m.state ~= 'scheduled' then return 0 end
  if Edit.too_large(m) then return -3 end
  Edit.rewrite(m)
  local before, priority = Edit.priorities(m)
  if priority == before then return 1 end
  -- A task that was never due has no sequence number. It gets one when it is due.
  local score = Aging.move(m, priority, function() return call('HINCRBY', META, 'seq', 1) end)
  call('SETRANGE', Record.key(m.id), 17, score)
  if m.state == 'waiting' then
    -- In this order, a head that stays ahead of its group unblocks no other task.
    Queue.insert(m.line, m.group, score, m.id)
    Full.remove(m.line, m.kind, m.score, m.id)
    Queue.remove(m.line, m.group, m.score, m.id)
    Line.add(m.line, { score, m.id })
    claimable[m.line] = true
  end
  return 1
end)
Trim.close()
return Changes.close(reply)
