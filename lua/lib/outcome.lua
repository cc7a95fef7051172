-- uses: base
-- Reply lists: the outcome of a task whose producer asked for a reply, as one JSON object in reply:ID.

local REPLY_TTL, REPLY_RESULT = 600000, 65536 -- ms; bytes of a result that travels in the reply

-- outcome_text is the object: id, state, created_at; of an end that is no success code and error; and the result: as it is
-- if its form is json, as a string in result_text if it is text, else, or if it is long, its length in result_bytes.
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

-- push_reply appends an object to the reply list of an id. A key of another type stays as it is.
function Outcome.push_reply(id, text)
  local key = P .. 'reply:' .. id
  if type(redis.pcall('RPUSH', key, text)) == 'number' then call('PEXPIRE', key, REPLY_TTL) end
end

function Outcome.push(id, created, state, code, error, result, form)
  Outcome.push_reply(id, outcome_text(id, created, state, code, error, result, form))
end
