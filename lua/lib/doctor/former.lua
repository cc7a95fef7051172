-- uses: base doctor/finding
-- Checks of former replicas: the keys former and former:left have the same ones. See former.lua.

local function former(_, _, replica)
  if call('ZSCORE', P .. 'former:left', replica) then return end
  DoctorFinding.report('former_unlisted', 'former:left', replica, '', 'listed',
    function() call('ZADD', P .. 'former:left', NOW_TEXT, replica) end)
end

local function left(name, _, replica)
  if call('HEXISTS', P .. 'former', replica) == 1 then return end
  DoctorFinding.report('stale_entry', name, replica, '', 'removed', function() call('ZREM', P .. name, replica) end)
end

-- MEMBERS has the checks of members of indexes, by the kind of their key.
DoctorFormer.MEMBERS = { former = former, ['former:left'] = left }
