-- get: reads tasks at one instant.
--
-- KEYS  prefix, meta
-- ARGV  most bytes of records and extras (one task is always read), 1 to omit payload, result, log and checkpoint, ids
-- Returns per task, in the order of the ids, until the bytes are used up: {} if there is no such task, else {record, run
--       entry or '', fields and values of its extras}. An attempt outside has the field outside_until, a parent
--       the field shards_pending, too. A staged
--       result is not returned: staged_bytes has its length.
-- Keeps: nothing is written.
-- uses: base record run
local most, brief = tonumber(ARGV[1]), ARGV[2] == '1'
local OMITTED = { result = true, log = true, checkpoint = true, shard_params = true, ['then'] = true }

local function record_of(id)
  if brief then
    local head = Record.read_head(id)
    return head and string.match(head, '^([^\n]*\n)') or head
  end
  return Record.soft('GET', Record.key(id))
end

local reply, bytes = {}, 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local record = record_of(id)
  local task = {}
  if record then
    local letter, flag, _, _, words = Record.header_of(record)
    local state, run = letter and Record.STATES[letter], nil
    if state == 'waiting' then run = Record.soft('HGET', P .. 'run:' .. words.queue, id) end
    task = { record, run or '' }
    local entry = Run.parse(run)
    local ends = entry and entry.flag == '3' and Record.soft('ZSCORE', P .. 'outside', id)
    if ends then task[3], task[4] = 'outside_until', ends end
    if words and words.shards then
      task[#task + 1] = 'shards_pending'
      task[#task + 1] = whole(Record.soft('SCARD', P .. 'pending:' .. id) or 0)
    end
    local extras = flag ~= '0' and Record.soft('HGETALL', Record.extras_key(id)) or {}
    bytes = bytes + #record
    for j = 1, #extras, 2 do
      if extras[j] == 'staged' then
        task[#task + 1] = 'staged_bytes'
        task[#task + 1] = whole(#extras[j + 1])
      elseif not (brief and OMITTED[extras[j]]) and not string.find(extras[j], '^shards?_[dr]') then
        task[#task + 1] = extras[j]
        task[#task + 1] = extras[j + 1]
        bytes = bytes + #extras[j + 1]
      end
    end
  end
  if #reply > 0 and bytes > most then break end
  reply[#reply + 1] = task
end
return reply
