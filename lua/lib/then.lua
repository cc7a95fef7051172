-- uses: base make record types
-- The task that follows another one.
--
-- A task with the word then in its header has in more:ID, in then, the task that is made when it succeeds: a JSON array of
-- queue, priority, kind, words of the header, specials (see admit.lua), id ('' for the default) and payload (null for the
-- result of the task before).

-- trace_of takes the trace of the task that follows out of its headers, and returns the words for it. It is that of its
-- own words, else that of the meta of the last attempt, else that of m.
local function trace_of(words, headers, m)
  if string.find(' ' .. words, ' traceparent=', 1, true) then
    headers.traceparent, headers.tracestate = nil, nil
    return ''
  end
  local from = headers.traceparent and headers or m
  local parent, state = from.traceparent, from.tracestate
  if not parent or not string.find(parent, '^[!-~]+$') or state and not string.find(state, '^[!-~]+$') then return '' end
  headers.traceparent, headers.tracestate = nil, nil
  return ' traceparent=' .. parent .. (state and ' tracestate=' .. state or '')
end

-- merged returns words of a header with the headers and the trace of m, the task before, unless these words have headers of
-- the same names.
local function merged(words, headers, m)
  local valid, before = pcall(cjson.decode, headers or '{}')
  if not valid or type(before) ~= 'table' then before = {} end
  local own = string.match(' ' .. words, ' headers=(%S+)')
  local _, all = pcall(cjson.decode, own or '{}')
  if type(all) ~= 'table' then return words end
  for name, value in pairs(before) do
    if type(name) == 'string' and type(value) == 'string' and not all[name] then all[name] = value end
  end
  local rest = string.gsub(' ' .. words, ' headers=%S+', '') .. trace_of(words, all, m)
  if next(all) then rest = rest .. ' headers=' .. string.gsub(cjson.encode(all), ' ', '\\u0020') end
  return string.sub(rest, 2)
end

local function why_refused(why, id, what)
  if why == 'dup' then return 'duplicate of task ' .. id .. ', which is ' .. what end
  if why == 'limit' then return 'limit is reached: ' .. id end
  if why == 'full' then return 'queue is full' end
  return id .. ' ' .. what
end

-- follow makes the task that follows m, which has succeeded with a result. headers are those of the end of m. It returns the
-- id of the task, and why it was refused or nil. The id has the generation of m, so each of them makes one task.
function Then.follow(m, result, form, headers)
  local h = call('HMGET', Record.extras_key(m.id), 'then', 'generation')
  local valid, t = pcall(cjson.decode, h[1] or '')
  if not valid or type(t) ~= 'table' or #t < 13 then return nil, 'its description cannot be read' end
  local id = t[13] ~= '' and t[13] or m.id .. '/then'
  if (number(h[2]) or 0) > 0 then id = id .. '/' .. h[2] end
  local payload = t[14]
  if type(payload) ~= 'string' then payload = form ~= 'bytes' and result or '' end
  local g = { queue = t[1], priority = tonumber(t[2]), kind = t[3], words = merged(t[4], headers, m) .. ' after=' .. m.id,
    group = t[5], unique = t[6], delay = t[7], run_at = t[8], ttl = t[9], deadline = t[10], reply = t[11], on_limit = t[12],
    given = true, uncapped = true }
  if string.sub(g.words, 1, 1) == ' ' then g.words = string.sub(g.words, 2) end
  local labels = string.match(' ' .. t[4], ' labels=(%S+)')
  if labels then g.line = g.queue .. '#' .. labels end
  local types = Types.all()
  Types.of_group(types, g)
  local wrong = Types.wrong(types)
  if wrong then return id, wrong.err end
  local refused
  Make.tasks(g, { id }, { payload }, call('HINCRBY', META, 'seq', 1) - 1, function(_, ...) refused = why_refused(...) end)
  return id, refused
end
