-- uses: base record
-- Removing tasks: their keys are collected and removed together.

local keys = {}

-- add removes a task, with what it has besides its record if with_more.
function Removal.add(id, with_more)
  keys[#keys + 1] = Record.key(id)
  if with_more then
    keys[#keys + 1] = Record.extras_key(id)
    keys[#keys + 1] = P .. 'history:' .. id
  end
end

-- plain removes tasks that have nothing but a record: ids[first] to ids[last].
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
