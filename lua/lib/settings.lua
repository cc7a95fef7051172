-- Judging what the pool as a whole has: its settings and its sequence.

-- judge_values looks whether the settings that must be numbers are.
local function judge_values()
  for field, value in pairs(fields(call('HGETALL', META))) do
    local number = field == 'seq' or field == 'fence' or string.find(field, '^limit') or string.find(field, '^cap:')
      or field == 'events:max' or field == 'events:age'
    if number and not tonumber(value) then
      tell('bad_setting', 'meta', field, value, 'removed', function() call('HDEL', META, field) end)
    end
  end
end

-- judge_meta looks whether the settings are gone. The replicas have to join again then, which brings their limits back, and
-- the sequence goes on from a number that no count of tasks has reached.
local function judge_meta()
  judge_values()
  if call('HEXISTS', META, 'epoch') == 1 or call('EXISTS', P .. 'replicas') == 0 then return end
  local done = 'its replicas have to join again; what was set live is gone'
  tell('meta_lost', 'meta', '', '', done, function()
    call('HSET', META, 'epoch', clock[1] .. '.' .. clock[2])
    call('HSET', META, 'seq', whole(math.max(tonumber(call('HGET', META, 'seq') or 0) or 0, NOW)))
  end)
end

-- given_out takes in a place in line, but for its priority. What no count of tasks has reached somebody else put there.
local highest = 0
local function given_out(place)
  place = tonumber(place)
  local n = place >= 0 and place < 9007199254740992 and place % 35184372088832 or 0
  if n < 17592186044416 then highest = math.max(highest, n) end
end

-- judge_sequence looks whether the sequence has yet to reach a number that was given out: two tasks would have one place.
local function judge_sequence()
  if highest <= (tonumber(call('HGET', META, 'seq') or 0) or 0) then return end
  tell('sequence_behind', 'meta', '', whole(highest), 'moved on', function() call('HSET', META, 'seq', whole(highest)) end)
end
