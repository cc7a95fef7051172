-- enqueue: makes tasks, except those whose id or unique key is taken, whose queue is full, that would end before they may
-- start, or that may not wait and would have to.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, number of groups, then per group: what read_group reads (queue, priority, kind, 1 if ids were given,
--       words, number of specials, specials), number of tasks, then per task: id, payload
-- Returns {now, then per exception: index from 1, 'dup' or 'full', id, state; or index, 'invalid', names of the fields, what
--       is wrong with them; or index, 'limit', what is limited, ''}; or the error STALE.
-- Keeps: a call that is repeated after its reply was lost makes nothing and gets the first reply. The calls of a sequence
-- are made one after the other, so only the last number and reply are stored.
-- uses: base admit finish make
-- hot: totals event trim scores settings queues admit make wake
-- This is lib/once.lua, written out: its functions would add 1 % to the instructions of an enqueue of one task.
local call_key, number = P .. 'call:' .. ARGV[1], ARGV[2]
local last = call('GET', call_key)
if last then
  local seen, at = string.match(last, '^(%d+) (.*)$')
  if seen == number then return cjson.decode(at) end
  if tonumber(seen) > tonumber(number) then return redis.error_reply('STALE a newer call of this sequence was made') end
end

local groups, total, at = {}, 0, 4
for i = 1, tonumber(ARGV[3]) do
  local g
  g, at = Admit.read_group(at)
  g.n = tonumber(ARGV[at])
  g.at = at + 1
  at = g.at + 2 * g.n
  groups[i] = g
  total = total + g.n
end

local exceptions = {}
local before = call('HINCRBY', META, 'seq', total) - total
local done = 0
for _, g in ipairs(groups) do
  local ids, payloads = {}, {}
  local from = g.at - 2
  for i = 1, g.n do ids[i], payloads[i] = ARGV[from + 2 * i], ARGV[from + 2 * i + 1] end
  Make.tasks(g, ids, payloads, before + done, function(i, why, id, state)
    for _, part in ipairs({ done + i, why, id, state }) do exceptions[#exceptions + 1] = part end
  end)
  done = done + g.n
end
if freed.empty then Finish.empty() end
Make.close()

local answer = '[' .. NOW_TEXT .. ']'
if #exceptions > 0 then answer = cjson.encode({ NOW, unpack(exceptions) }) end
call('SET', call_key, number .. ' ' .. answer, 'PX', 600000)
return { NOW, unpack(exceptions) }
