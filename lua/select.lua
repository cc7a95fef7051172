-- select: finds the tasks of some kinds, queues and groups among candidates.
--
-- KEYS  prefix, meta
-- ARGV  number of kinds, kinds, number of queues, queues, number of groups, groups, number of labels, labels, ids. No kinds
--       means every kind; the same holds for queues and groups. A task matches if it has all labels.
-- Returns the ids of the tasks that match, in their order. It includes tasks whose header cannot be read.
-- Keeps: nothing is written.
-- uses: base record
local at = 1

-- set reads a list of names. It returns nil for an empty one.
local function set()
  local n, names = tonumber(ARGV[at]), {}
  for i = at + 1, at + n do names[ARGV[i]] = true end
  at = at + n + 1
  return n > 0 and names or nil
end

local kinds, queues, groups, labels = set(), set(), set(), set()

local function has_labels(text)
  for label in pairs(labels or {}) do
    if not string.find(',' .. (text or '') .. ',', ',' .. label .. ',', 1, true) then return false end
  end
  return true
end

local found = {}
for i = at, #ARGV do
  local head = Record.read_head(ARGV[i])
  local letter, _, _, _, words = Record.header_of(head or '')
  if head and not letter or letter and (not kinds or kinds[words.kind]) and (not queues or queues[words.queue])
    and (not groups or groups[words.group or '']) and has_labels(words.labels) then
    found[#found + 1] = ARGV[i]
  end
end
return found
