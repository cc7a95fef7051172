-- uses: base
-- Tasks that a bulk job has counted. Its calls name a task as "ID VERSION CREATED", with the version that the task had and
-- the time at which it was made. An id has no space, so other calls name tasks by the id alone.

-- id returns the id of such an argument.
function Counted.id(text) return string.match(text, '^[^ ]*') end

-- is_same reports whether a task is as it was when it was counted. It is true for an argument that is an id alone.
function Counted.is_same(m, text)
  local v, created = string.match(text, ' (%d+) (%d+)$')
  return not v or whole(m.v) == v and whole(m.created) == created
end
