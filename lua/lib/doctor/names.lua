-- uses: base record doctor/finding
-- The names and types of a pool's keys.

DoctorNames.TYPE = { task = 'string', more = 'hash', history = 'list', wait = 'zset', run = 'hash', claims = 'hash',
  leases = 'zset', scheduled = 'zset', expiring = 'zset', ended = 'zset', ['group:wait'] = 'zset', ['group:head'] = 'hash',
  ['group:run'] = 'set', ['group:queues'] = 'set', unique = 'string', events = 'stream', inbox = 'list',
  ['inbox:open'] = 'list', ['inbox:rejected'] = 'stream', reply = 'list', queues = 'set', replicas = 'zset',
  replica = 'hash', stop = 'set', signals = 'list', class = 'hash', served = 'set', ready = 'zset', idle = 'zset',
  counted = 'set', held = 'set', meta = 'hash', stats = 'hash', load = 'hash', call = 'string', lock = 'string',
  outside = 'zset', takeover = 'zset', staged = 'set', full = 'set', reported = 'string', reports = 'list',
  ['reports:open'] = 'list', archives = 'hash', triggers = 'zset', trigger = 'hash',
  fired = 'list', ['triggers:inbox'] = 'list', ['triggers:inbox:open'] = 'list',
  timers = 'zset', rate = 'string', ['group:rate'] = 'string', parents = 'zset', spreading = 'zset', pending = 'set',
  results = 'hash', lines = 'zset', labelled = 'zset', serving = 'zset', offers = 'zset', host = 'set',
  broadcast = 'set', audit = 'stream', ['audit:refused'] = 'stream',
  bulks = 'zset', ['bulks:open'] = 'set', bulk = 'hash', bulklist = 'list',
  former = 'hash', ['former:left'] = 'zset',
  alerts = 'hash', ['alerts:log'] = 'stream', silences = 'hash', notices = 'list', overflow = 'hash', sending = 'string',
  ['definitions:alerts'] = 'hash' }
local WHOLE_NAME = { claims = true, leases = true, scheduled = true, expiring = true, events = true, inbox = true,
  ['inbox:open'] = true, ['inbox:rejected'] = true, queues = true, replicas = true, counted = true, held = true,
  meta = true, stats = true, outside = true, full = true,
  reports = true, ['reports:open'] = true, archives = true, triggers = true, timers = true, parents = true,
  spreading = true, ['triggers:inbox'] = true, ['triggers:inbox:open'] = true,
  audit = true, ['audit:refused'] = true, bulks = true, ['bulks:open'] = true, alerts = true, ['alerts:log'] = true,
  silences = true, former = true, ['former:left'] = true, ['definitions:alerts'] = true }

-- is_name checks the rule for names as far as a script can: it accepts all bytes over 127 as letters.
function DoctorNames.is_name(s)
  return s and #s <= 128 and string.match(s, '^[%w_\128-\255][%w%._:/@+=%-\128-\255]*$') ~= nil
end

-- is_unique checks the rule for what follows "unique:": a name, or the hash of a key that is not a name.
function DoctorNames.is_unique(s) return DoctorNames.is_name(s) or s and string.match(s, '^#%x+$') ~= nil end

-- is_line checks the name of a line: see line.lua.
local LINES = { wait = true, takeover = true, ['group:wait'] = true, ['group:head'] = true }
function DoctorNames.is_line(s)
  local queue, labels = string.match(s or '', '^([^#]+)(.*)$')
  if not DoctorNames.is_name(queue) then return false end
  for label in string.gmatch(string.sub(labels, 2), '[^,]+') do
    if not DoctorNames.is_name(label) then return false end
  end
  return labels == '' or string.find(labels, '^#[^#]+$') ~= nil
end

-- kind_of splits a key's name into its kind (broken, or a key of TYPE) and the rest. It returns nil for an unknown name.
function DoctorNames.kind_of(name)
  if WHOLE_NAME[name] then return name, '' end
  local kind, rest = string.match(name, '^(group:%l+):(.+)$')
  if not DoctorNames.TYPE[kind or ''] then kind, rest = string.match(name, '^(%l+):(.+)$') end
  if kind == 'broken' then return kind, rest end
  if not DoctorNames.TYPE[kind or ''] or WHOLE_NAME[kind] then return nil end
  if kind == 'ended' then return Record.LETTERS[rest] and kind, rest end
  if kind == 'load' then return tonumber(rest) and kind, rest end
  local of_kind = kind == 'group:queues' and string.match(rest, '^!(.*)$') -- see full.lua
  if LINES[kind] and DoctorNames.is_line(rest) then return kind, rest end
  if kind == 'served' then of_kind = string.match(rest, '^(.*)#$') end
  if DoctorNames.is_name(of_kind or rest) or kind == 'unique' and DoctorNames.is_unique(rest) then return kind, rest end
end

-- has_type reports whether a key has the type of its kind or does not exist, and whether it exists. A repair renames a key
-- of a wrong type.
function DoctorNames.has_type(name, kind)
  local is = call('TYPE', P .. name)
  is = is.ok or is
  if is == 'none' or is == DoctorNames.TYPE[kind] then return true, is ~= 'none' end
  DoctorFinding.report('wrong_type', name, '', is, '', function() return DoctorFinding.quarantine(name) end)
  return false
end
