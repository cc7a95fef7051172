-- inbox: turns the entries that peek returned into tasks or rejects, and removes them from the inbox in the same step.
--
-- KEYS  prefix, meta
-- ARGV  sequence, call, number of entries from inbox:open, number of entries, most entries of the reject stream, then per
--       entry: the entry, reason for rejecting it ('' for none), then of a reject: id for a reply or ''; of any other: where
--       its payload begins and ends in the entry, what read_group reads, id
-- Returns the number of entries that are left, or -1 if the inbox has changed since: peek again; or the error STALE.
-- Keeps: an entry is admitted exactly once, whichever replicas read it or died meanwhile. A call that is repeated after its
-- reply was lost does nothing: the next entries may have the same text, and would be rejected as duplicates.
-- uses: base admit make once reject types
local first = Once.reply()
if first then return tonumber(first) or first end
local from_open, n = tonumber(ARGV[3]), tonumber(ARGV[4])

local entries, at = {}, 6
for i = 1, n do
  local e = { text = ARGV[at], reason = ARGV[at + 1] }
  if e.reason ~= '' then
    e.reply = ARGV[at + 2]
    at = at + 3
  else
    e.first, e.last = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    e.group, at = Admit.read_group(at + 4)
    e.id = ARGV[at]
    at = at + 1
  end
  entries[i] = e
end

local function unchanged(list, first, last)
  local there = call('LRANGE', list, 0, last - first)
  for i = first, last do
    if there[i - first + 1] ~= entries[i].text then return false end
  end
  return true
end
if from_open > 0 and not unchanged(P .. 'inbox:open', 1, from_open) then return -1 end
if n > from_open and not unchanged(P .. 'inbox', from_open + 1, n) then return -1 end

-- A key of a wrong type must stop this call before it removes an entry from the inbox: the entry would be lost.
local types = Types.all()
types['inbox:rejected'] = 'stream'
for _, e in ipairs(entries) do
  if e.group then
    Types.of_group(types, e.group)
    types['more:' .. e.id] = 'hash'
  end
end
local wrong = Types.wrong(types)
if wrong then return wrong end

-- invalid returns the reason for rejecting an entry whose fields, without the ending _ms, are wrong in this way.
local function invalid(names, what)
  local parts = {}
  for _, name in ipairs(split(names)) do
    parts[#parts + 1] = name .. '_ms ' .. string.gsub(what, 'run_at', 'run_at_ms')
  end
  return table.concat(parts, '; ')
end

call('LTRIM', P .. 'inbox:open', from_open, -1)
call('LTRIM', P .. 'inbox', n - from_open, -1)
local sequence = call('HINCRBY', META, 'seq', n) - n
for i, e in ipairs(entries) do
  if e.group then
    Make.tasks(e.group, { e.id }, { string.sub(e.text, e.first, e.last) }, sequence + i - 1, function(_, why, id, state)
      e.reply = e.group.reply ~= '' and (why ~= 'dup' or id ~= e.id) and e.id or ''
      if why == 'invalid' then
        e.reason = invalid(id, state)
      elseif why == 'dup' then
        e.code, e.reason, e.taken = 'duplicate', 'duplicate of task ' .. id .. ', which is ' .. state, id
      elseif why == 'limit' then
        e.code, e.reason = 'limit_reached', 'limit is reached: ' .. id
      else
        e.code, e.reason = 'queue_full', 'queue is full'
      end
    end)
  end
  if e.reason ~= '' then Reject.entry(e.text, ARGV[5], e.code or 'invalid', e.reason, e.taken, e.reply) end
end
Make.close()
return tonumber(Once.store(call('LLEN', P .. 'inbox:open') + call('LLEN', P .. 'inbox')))
