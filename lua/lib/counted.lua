-- uses: base
-- Tasks that a bulk job has counted. Its calls name a task as "ID VERSION CREATED", with the version that the task had and
-- the time at which it was made. An id has no space, so other calls name tasks by the id alone.
-- In the reply a counted task has -4 if it has changed since, and -5 if it is damaged.

Counted.named = false

-- id returns the id of such an argument. It sets named if the argument names a counted task.
function Counted.id(text)
  local id = string.match(text, '^[^ ]*')
  Counted.named = Counted.named or #id < #text
  return id
end

-- is_same reports whether a task is as it was when it was counted. It is true for an argument that is an id alone.
function Counted.is_same(m, text)
  local v, created = string.match(text, ' (%d+) (%d+)$')
  return not v or whole(m.v) == v and whole(m.created) == created
end
