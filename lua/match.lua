-- match: lists the lines whose tasks a replica can take since it has joined, a page per call, and signals for them.
--
-- KEYS  prefix, meta
-- ARGV  replica, 1 if another replica has the same queues, kinds and labels, most lines, labels of the last line of the page
--       before ('' for the start), queues, of which only the first may have been begun
-- Returns {number of queues that are done, labels of the last line of this page in the next queue ('' for the start)}.
-- Keeps: an open line is listed for each of its servers: see lib/line.lua. Steps that change a line list it, too.
-- uses: base offer wake
run_when_full()
local replica, known, left, after = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), ARGV[4]

-- Labels that name a replica or a host come first in the text of a line, so that their lines are a range.
local prefixes = { '' }
if known then
  local host = call('HGET', P .. 'replica:' .. replica, 'host')
  prefixes = { 'id=' .. replica, host or nil }
end

-- page lists lines of a queue whose labels begin with a prefix, up to `left`. It returns the labels of the last one, nil if
-- there are no more.
local function page(queue, prefix)
  local from, to = '[' .. prefix, '(' .. prefix .. '-'
  if prefix == '' then from, to = '-', '+' end
  if after ~= '' then from = '(' .. after end
  local found = call('ZRANGEBYLEX', P .. 'lines:' .. queue, from, to, 'LIMIT', 0, left)
  for _, labels in ipairs(found) do Offer.line(queue .. '#' .. labels, Wake) end
  left, after = left - #found, ''
  return left <= 0 and found[#found] or nil
end

local done = 0
for i = 5, #ARGV do
  for _, prefix in ipairs(call('EXISTS', P .. 'lines:' .. ARGV[i]) == 1 and prefixes or {}) do
    if string.sub(after, 1, #prefix) == prefix or after == '' then
      local last = page(ARGV[i], prefix)
      if last then return { done, last } end
    end
  end
  done, after = done + 1, ''
end
return { done, '' }
