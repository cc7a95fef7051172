-- enqueue: makes tasks, all of them or (id or unique key taken, queue full) none of the ones concerned.
--
-- KEYS  prefix, meta
-- ARGV  lane, call, n, then per task: payload, and what admit reads: id, kind, queue, priority, number of further strings,
--       those strings
-- Returns {now, then per exception: index from 1, 'dup' or 'full', id, state}.
-- Keeps: a call that is repeated after its reply was lost makes nothing and gets the first reply. A lane's calls are made
-- one after the other, so its last number and reply are all that has to be remembered.
-- uses: base wake line admit
local lane, number = P .. 'call:' .. ARGV[1], tonumber(ARGV[2])
local last = call('GET', lane)
if last then
  local at = string.find(last, ' ', 1, true)
  local seen = tonumber(string.sub(last, 1, at - 1))
  if seen == number then return cjson.decode(string.sub(last, at + 1)) end
  if seen > number then return redis.error_reply('STALE a newer call of this lane was made') end
end

local n = tonumber(ARGV[3])
local sequence = call('HINCRBY', META, 'seq', n) - n
local reply = { NOW }
local i = 4
for task = 1, n do
  local why, id, state = admit(i + 1, ARGV[i], sequence + task)
  if why then
    for _, part in ipairs({ task, why, id, state }) do reply[#reply + 1] = part end
  end
  i = i + 6 + ARGV[i + 5]
end
settle()
call('SET', lane, whole(number) .. ' ' .. cjson.encode(reply), 'PX', 600000)
return reply
