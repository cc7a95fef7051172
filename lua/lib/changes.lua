-- uses: base counted once queue task totals wake
-- Scripts that change tasks, once per call. ARGV[1] and ARGV[2] are those of Once. Without a sequence, ARGV[1] is '' and a
-- repeated call is a new one.

local function answer(text)
  local reply = cjson.decode(text)
  return reply.err and redis.error_reply(reply.err) or reply
end

-- repeated returns the first reply if this call is repeated after its reply was lost, or the error STALE, else nil.
function Changes.repeated()
  if ARGV[1] == '' then return nil end
  local first = Once.reply()
  return type(first) == 'string' and answer(first) or first
end

-- each calls apply(task) for each task that args name from index `from` on. apply returns 1 if it changed the task, 0 if
-- not, a negative number if it refuses to, and updates the state in its argument. each returns, per task, its state
-- afterwards ('' if there is none) and this number, which is -4 if the task has changed since it was
-- counted, -5 if it is damaged.
function Changes.each(args, from, apply)
  local reply, seen = {}, {}
  for i = from, #args do
    local id = Counted.id(args[i])
    local change = seen[id]
    if not change then
      local m, damaged = Task.load_to_change(id)
      local done = m and (Counted.is_same(m, args[i]) and apply(m) or -4) or damaged and -5 or 0
      change = { m and m.state or '', done }
      seen[id] = change
    end
    reply[#reply + 1] = change[1]
    reply[#reply + 1] = change[2]
  end
  Queue.write()
  return reply
end

-- close writes the totals, signals replicas, and stores the reply. It returns the reply, or an error if a task was damaged,
-- unless the tasks were counted.
function Changes.close(reply)
  Totals.write()
  Wake.all()
  if ARGV[1] == '' then return Task.answer(reply) end
  return answer(Once.store(cjson.encode(Task.answer(reply, Counted.named))))
end
