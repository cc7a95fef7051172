-- uses: base record
-- Removing tasks. Their keys are collected and deleted together.

local keys = {}

-- add removes the record of a task, and its extras and history if with_extras.
function Removal.add(id, with_extras)
  keys[#keys + 1] = Record.key(id)
  if with_extras then
    keys[#keys + 1] = Record.extras_key(id)
    keys[#keys + 1] = P .. 'history:' .. id
  end
end

-- plain removes tasks that have only a record: ids[first] to ids[last].
function Removal.plain(ids, first, last)
  local n, prefix = #keys, P .. 'task:'
  for i = first, last do
    n = n + 1
    keys[n] = prefix .. ids[i]
  end
end

function Removal.write()
  if keys[1] then in_parts(500, keys, 'DEL') end
  keys = {}
end
