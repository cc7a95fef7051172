-- uses: base record scores settings words
-- Aging: waiting gains priority. In a queue with aging, aging:QUEUE in meta is a step in ms, and a task has the position
-- TIME + (127 - PRIORITY) * STEP: a priority of one more is worth as much as a step of waiting. TIME is when the task began
-- to wait, in us. Every call gets later times than the call before, so that equal priorities are first in, first out.
--
-- The header has the word aged=PRIORITY/STEP of a task with such a position, and of a scheduled task that gets one when it
-- is due. aging:QUEUE only changes while no task of the queue waits or runs. A scheduled task may keep the position of a
-- former setting. It gets another one when it is due.

local function text(position) return string.format('%016.0f', position) end
local function strict(priority, sequence) return text((127 - priority) * Scores.STEP + sequence) end

-- ticks returns the first of n times.
local function ticks(n)
  local last = number(call('HGET', META, 'aged') or nil) or 0
  local first = math.max(clock[1] * 1000000 + clock[2], last + 1)
  call('HSET', META, 'aged', whole(first + n - 1))
  return first
end

local function word(priority, step) return 'aged=' .. priority .. '/' .. whole(step) end

-- before returns the number before the positions of n new tasks.
function Aging.before(priority, step, n) return ticks(n) - 1 + (127 - priority) * step * 1000 end

-- with_word adds the word of a new task to the words of its header.
function Aging.with_word(words, priority, step)
  return (words ~= '' and words .. ' ' or '') .. word(priority, step)
end

-- last returns a position behind those of all tasks with the priority that wait in the queue now.
function Aging.last(queue, priority)
  local step = Settings.of(queue).aging
  if not step then return strict(priority, Scores.STEP - 1) end
  local last = math.max(clock[1] * 1000000 + clock[2], number(call('HGET', META, 'aged') or nil) or 0)
  return text(last + (127 - priority) * step * 1000)
end

-- aged reads the word of a task. It returns priority and step in ms, nil if it has none.
local function aged(words)
  local priority, step = string.match(words.aged or '', '^(%-?%d+)/(%d+)$')
  return tonumber(priority or nil), number(step)
end

-- priority returns the priority of a task.
function Aging.priority(words, score) return aged(words) or 127 - math.floor(tonumber(score) / Scores.STEP) end

-- set_word gives the header of a task another word, nil for none.
local function set_word(id, new)
  local record = call('GET', Record.key(id))
  local stop = string.find(record, '\n', Words.KIND_AT, true)
  local header = string.gsub(string.sub(record, 1, stop - 1), ' aged=%S+', '')
  call('SET', Record.key(id), header .. (new and ' ' .. new or '') .. string.sub(record, stop))
end

-- behind returns a new position in a queue, behind the tasks that have the priority.
function Aging.behind(queue, priority, next_sequence)
  local step = Settings.of(queue).aging
  if not step then return strict(priority, next_sequence()) end
  return text(Aging.before(priority, step, 1) + 1)
end

-- place returns a new position for a task with the priority, behind those that have it. next_sequence returns the sequence
-- number for a queue without aging.
function Aging.place(id, words, priority, next_sequence)
  local was, from = aged(words)
  local step = Settings.of(words.queue).aging
  if step ~= from or was and was ~= priority then set_word(id, step and word(priority, step)) end
  return Aging.behind(words.queue, priority, next_sequence)
end

-- due returns the position of a task that was scheduled and is due: its own if it has one that its queue can use.
function Aging.due(id, words, score, next_sequence)
  local _, from = aged(words)
  if tonumber(score) % Scores.STEP > 0 and from == Settings.of(words.queue).aging then return score end
  return Aging.place(id, words, Aging.priority(words, score), next_sequence)
end

-- move returns the position of a task after a change of its priority. A task in a queue with aging keeps its time.
function Aging.move(m, priority, next_sequence)
  local was, step = aged(m)
  local placed = tonumber(m.score) % Scores.STEP > 0
  if was then set_word(m.id, word(priority, step)) end
  if not placed then return strict(priority, 0) end
  if was then return text(tonumber(m.score) + (was - priority) * step * 1000) end
  return strict(priority, next_sequence())
end
