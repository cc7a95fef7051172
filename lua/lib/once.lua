-- uses: base
-- The calls of a sequence that must happen once. ARGV[1] is the sequence, ARGV[2] the number of the call. The calls of a
-- sequence are made one after the other, so only the last number and reply are stored.
local key = P .. 'call:' .. ARGV[1]

-- reply returns the first reply if this call is repeated after its reply was lost, the error STALE if a newer call of the
-- sequence was made, else nil.
function Once.reply()
  local seen, text = string.match(call('GET', key) or '', '^(%d+) (.*)$')
  if seen == ARGV[2] then return text end
  if seen and tonumber(seen) > tonumber(ARGV[2]) then
    return redis.error_reply('STALE a newer call of this sequence was made')
  end
end

-- A bulk job may wait for days until a console repeats its last call.
local keep = string.sub(ARGV[1], 1, 5) == 'bulk:' and 2592000000 or 600000

-- store stores the reply of this call, a text, and returns it.
function Once.store(text)
  call('SET', key, ARGV[2] .. ' ' .. text, 'PX', keep)
  return text
end
