-- join: announces a replica and publishes what it configures.
--
-- KEYS  prefix, meta
-- ARGV  schema version, replica, lease ms, description (JSON), its kinds and its queues (each between spaces), for how many
--       ms it has run, number of settings, then per setting: field of meta, value; then per kind: kind, policy
-- Returns the fields whose live value was set to another one by somebody's configuration, each with the former value.
-- Keeps: the newest configuration wins over older ones; a value set live stays until a configuration changes.
-- uses: base full wake line
local schema = call('HGET', META, 'schema')
if schema and schema ~= ARGV[1] then return redis.error_reply('SCHEMA ' .. schema) end
call('HSET', META, 'schema', ARGV[1])
-- The epoch tells a replica's record of settings that are gone from one of settings that are there.
call('HSETNX', META, 'epoch', clock[1] .. '.' .. clock[2])

local replica = ARGV[2]
call('ZADD', P .. 'replicas', NOW + ARGV[3], replica)
call('HSET', P .. 'replica:' .. replica, 'about', ARGV[4], 'kinds', ARGV[5], 'queues', ARGV[6],
  'started_at', whole(NOW - ARGV[7]), 'seen_at', NOW, 'running', 0, 'stuck', 0,
  'epoch', call('HGET', META, 'epoch'))

local conflicts = {}
local settings = 8 + 2 * ARGV[8]
for i = 9, settings, 2 do
  local field, value = ARGV[i], ARGV[i + 1]
  local configured = call('HGET', META, 'config:' .. field)
  note_queue(field)
  if configured ~= value then
    local live = call('HGET', META, field)
    call('HSET', META, 'config:' .. field, value, field, value)
    if live and live ~= value then
      conflicts[#conflicts + 1] = field
      conflicts[#conflicts + 1] = live
    end
    local group = string.match(field, '^limit:group:(.+)$')
    if group then open(group) end
  end
end
for i = settings + 1, #ARGV, 2 do call('HSET', META, 'kind:' .. ARGV[i], ARGV[i + 1]) end
for _, q in ipairs(queues()) do freed[q] = true end
wake_freed()
return conflicts
