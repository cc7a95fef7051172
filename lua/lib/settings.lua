-- Judging what the pool as a whole has: its settings and its sequence.

-- judge_meta looks whether the settings are gone. The replicas have to join again then, which brings their limits back, and
-- the sequence goes on from a number that no count of tasks has reached.
local function judge_meta()
  if call('HEXISTS', META, 'schema') == 1 or call('EXISTS', P .. 'replicas') == 0 then return end
  local done = 'its replicas have to join again; what was set live is gone'
  tell('meta_lost', 'meta', '', '', done, function()
    for _, replica in ipairs(call('ZRANGE', P .. 'replicas', 0, -1)) do call('DEL', P .. 'replica:' .. replica) end
    call('DEL', P .. 'replicas')
    call('HSET', META, 'seq', whole(math.max(tonumber(call('HGET', META, 'seq') or 0) or 0, NOW)))
  end)
end

-- given_out takes in a place in line, but for its priority.
local highest = 0
local function given_out(place) highest = math.max(highest, tonumber(place) % 35184372088832) end

-- judge_sequence looks whether the sequence has yet to reach a number that was given out: two tasks would have one place.
local function judge_sequence()
  if highest <= (tonumber(call('HGET', META, 'seq') or 0) or 0) then return end
  tell('sequence_behind', 'meta', '', whole(highest), 'moved on', function() call('HSET', META, 'seq', whole(highest)) end)
end
