-- uses: base
-- Reply lists: reply:ID gets the outcome of a task as one JSON object, if its producer requested a reply.

local REPLY_TTL, REPLY_RESULT = 600000, 65536 -- ms; most bytes of a result that the reply contains

-- outcome_text returns the object: id, state, created_at, code and error unless the task succeeded, and the result. A result
-- of the form json is in result as it is, a text is a string in result_text. For a result of another form or of more than
-- REPLY_RESULT bytes, result_bytes has only the length.
local function outcome_text(id, created, state, code, error, result, form)
  local parts = { '{"id":' .. cjson.encode(id), '"state":"' .. state .. '"' }
  if created then parts[#parts + 1] = '"created_at":' .. whole(created) end
  if state ~= 'succeeded' and code then parts[#parts + 1] = '"code":"' .. code .. '"' end
  if error then parts[#parts + 1] = '"error":' .. cjson.encode(error) end
  if result and (#result > REPLY_RESULT or form == 'bytes') then parts[#parts + 1] = '"result_bytes":' .. #result
  elseif result and form == 'text' then parts[#parts + 1] = '"result_text":' .. cjson.encode(result)
  elseif result then parts[#parts + 1] = '"result":' .. result end
  return table.concat(parts, ',') .. '}'
end

-- push_reply appends an object to the reply list of an id. It ignores a key of another type.
function Outcome.push_reply(id, text)
  local key = P .. 'reply:' .. id
  if type(redis.pcall('RPUSH', key, text)) == 'number' then call('PEXPIRE', key, REPLY_TTL) end
end

function Outcome.push(id, created, state, code, error, result, form)
  Outcome.push_reply(id, outcome_text(id, created, state, code, error, result, form))
end
