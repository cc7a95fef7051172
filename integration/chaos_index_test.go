package integration

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
)

// inspection checks a whole pool at one instant. It returns the errors that it
// found, then the number of running attempts and of tasks.
var inspection = redis.NewScript(`
local P = KEYS[1]
local wrong = {}
local function say(text) if #wrong < 20 then wrong[#wrong + 1] = text end end
local function pairs_of(key)
  local m, flat = {}, redis.call('HGETALL', P .. key)
  for i = 1, #flat, 2 do m[flat[i]] = flat[i + 1] end
  return m
end
local function words(text)
  local all = {}
  for w in string.gmatch(text, '%S+') do all[#all + 1] = w end
  return all
end
local at, fence_of, running = {}, {}, 0
local function put(id, index)
  if at[id] then say('task ' .. id .. ' is in ' .. at[id] .. ' and ' .. index) end
  at[id] = index
end

-- A claim names its tasks; what runs of them has a run entry with its fence.
local claims, named = pairs_of('claims'), {}
for fence, text in pairs(claims) do
  local w = words(text)
  if tonumber(w[1]) ~= #w - 6 then say('claim ' .. fence .. ' names ' .. #w - 6 .. ' tasks: ' .. text) end
  if not redis.call('ZSCORE', P .. 'leases', fence) then say('claim ' .. fence .. ' has no lease') end
  claims[fence] = { replica = w[2], queue = w[3], open = 0 }
  for i = 7, #w do named[fence .. ' ' .. w[i]] = true end
end
for _, fence in ipairs(redis.call('ZRANGE', P .. 'leases', 0, -1)) do
  if not claims[fence] then say('there is a lease of no claim ' .. fence) end
end

local is_queue = {}
for _, q in ipairs(redis.call('SMEMBERS', P .. 'queues')) do
  is_queue[q] = true
  for _, id in ipairs(redis.call('ZRANGE', P .. 'wait:' .. q, 0, -1)) do put(id, 'waiting ' .. q) end
  for _, m in ipairs(redis.call('ZRANGE', P .. 'group:wait:' .. q, 0, -1)) do put(string.match(m, '(%S+)$'), 'waiting ' .. q) end
  for id, text in pairs(pairs_of('run:' .. q)) do
    put(id, 'running ' .. q)
    running = running + 1
    local w = words(text)
    local c = claims[w[1] or '']
    if #w ~= 7 and #w ~= 8 or #text < 66 then say('the run entry of ' .. id .. ' is ' .. text) end
    if not c then
      say('task ' .. id .. ' runs under no claim')
    elseif not named[w[1] .. ' ' .. id] or c.queue ~= q or c.replica ~= w[7] then
      say('task ' .. id .. ' is not in its claim ' .. w[1])
    end
    if c then c.open = c.open + 1 end
    fence_of[id] = w[1]
  end
end
for _, id in ipairs(redis.call('ZRANGE', P .. 'scheduled', 0, -1)) do put(id, 'scheduled') end
for _, id in ipairs(redis.call('ZRANGE', P .. 'parents', 0, -1)) do put(id, 'parent') end
for _, s in ipairs({ 'succeeded', 'failed', 'stopped', 'expired' }) do
  for _, id in ipairs(redis.call('ZRANGE', P .. 'ended:' .. s, 0, -1)) do put(id, s) end
end

local STATES = { s = 'scheduled', w = 'live', p = 'live', r = 'parent', S = 'succeeded', F = 'failed', X = 'stopped', E = 'expired' }
local WHOLE = { inbox = true, scheduled = true, expiring = true, events = true, meta = true, queues = true, stats = true,
  replicas = true, claims = true, leases = true, held = true, counted = true, outside = true, triggers = true,
  parents = true, spreading = true, timers = true, former = true, ['former:left'] = true }
local KIND = { group = true, wait = true, run = true, ended = true, ready = true, idle = true, class = true, served = true,
  signals = true, replica = true, call = true, lock = true, inbox = true, load = true, reply = true, reports = true, reported = true, takeover = true,
  trigger = true, fired = true, pending = true, results = true, triggers = true, rate = true, host = true, serving = true,
  offers = true, lines = true, labelled = true, broadcast = true }
local function live(id) return at[id] and not redis.call('ZSCORE', P .. 'ended:' .. at[id], id) end
local keys, tasks, extras, members = redis.call('KEYS', P .. '*'), 0, {}, {}
for _, key in ipairs(keys) do
  local name = string.sub(key, #P + 1)
  local kind, id = string.match(name, '^([^:]+):(.*)$')
  if kind == 'unique' then
    local holder = redis.call('GET', key)
    if not live(holder) then say(name .. ' is held by task ' .. holder .. ', which is ' .. (at[holder] or 'gone')) end
  elseif kind == 'stop' then
    for _, m in ipairs(redis.call('SMEMBERS', key)) do
      local w = words(m)
      if fence_of[w[2]] ~= w[1] then say(name .. ' asks for ' .. m .. ', which does not run') end
    end
  elseif string.sub(name, 1, 10) == 'group:run:' then
    for _, m in ipairs(redis.call('SMEMBERS', key)) do
      members[string.sub(name, 11) .. ' ' .. m] = true
      if not fence_of[m] then say(name .. ' has ' .. m .. ', which does not run') end
    end
  elseif kind ~= 'task' and kind ~= 'more' and kind ~= 'history' and not KIND[kind or ''] and not WHOLE[name] then
    say('unknown key ' .. name)
  end
end
for _, key in ipairs(keys) do
  local name = string.sub(key, #P + 1)
  local kind, id = string.match(name, '^([^:]+):(.*)$')
  if kind == 'task' then
    tasks = tasks + 1
    local record = redis.call('GET', key)
    local letter, flag, of, q, rest = string.match(record, '^(%a)([01]) %d+ %d+ (%S+) (%S+)([^\n]*)\n')
    local want = STATES[letter or ''] or 'none'
    if want == 'live' then
      if q == '-' then q = 'default' end
      want = (fence_of[id] and 'running ' or 'waiting ') .. q
    end
    if at[id] ~= want then say('task ' .. id .. ' is ' .. want .. ' and in the index ' .. (at[id] or 'none')) end
    at[id] = nil
    extras[id] = flag
    local group = string.match(rest or '', ' group=(%S+)')
    local member = group and members[group .. ' ' .. id] or false
    if group and member ~= (fence_of[id] ~= nil) then say('task ' .. id .. ' is ' .. want .. ' and in its group: ' .. tostring(member)) end
  end
end
for _, key in ipairs(keys) do
  local kind, id = string.match(string.sub(key, #P + 1), '^([^:]+):(.*)$')
  if kind == 'more' or kind == 'history' then
    if not extras[id] then say(kind .. ' of the deleted task ' .. id)
    elseif extras[id] == '0' then say(kind .. ' of task ' .. id .. ', whose record says that there is none') end
  end
end
for id, index in pairs(at) do say('no task ' .. id .. ', which is in the index ' .. index) end
for _, id in ipairs(redis.call('ZRANGE', P .. 'expiring', 0, -1)) do
  if not extras[id] then say('expiring has the deleted task ' .. id) end
end
if redis.call('HEXISTS', P .. 'meta', 'limit') == 1 then
  if redis.call('SCARD', P .. 'counted') ~= running then say(running .. ' tasks run and ' .. redis.call('SCARD', P .. 'counted') .. ' are counted') end
  for _, id in ipairs(redis.call('SMEMBERS', P .. 'counted')) do
    if not fence_of[id] then say('task ' .. id .. ' is counted and does not run') end
  end
elseif redis.call('EXISTS', P .. 'counted') == 1 then say('running tasks are counted without a limit') end
for _, q in ipairs(redis.call('SMEMBERS', P .. 'held')) do
  if not is_queue[q] then say('the unknown queue ' .. q .. ' is held') end
end
return { running, tasks, wrong }`)

// inspect checks every index of the pool at one instant, idle or not, and returns
// the number of running attempts and of tasks.
func (s *site) inspect() (running, tasks int) {
	s.t.Helper()
	reply, err := inspection.Run(context.Background(), s.rdb, []string{s.key("")}).Slice()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, w := range reply[2].([]any) {
		s.t.Error(w)
	}
	return int(reply[0].(int64)), int(reply[1].(int64))
}

// checkIdle checks a pool without a live task: no claim, no entry of a live
// index, no key of a removed task. It returns the number of tasks that are
// kept.
func (s *site) checkIdle(c *pool.Pool) (kept int) {
	s.t.Helper()
	running, kept := s.inspect()
	st := stats(s.t, c)
	if running != 0 || st.Running != 0 {
		s.t.Errorf("%d attempts and a running count of %d on an idle pool", running, st.Running)
	}
	ended := 0
	for _, n := range st.Kept {
		ended += n
	}
	if kept != ended {
		s.t.Errorf("%d tasks have a body, %d are kept", kept, ended)
	}
	keys, err := s.rdb.Keys(context.Background(), s.key("*")).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		name := strings.TrimPrefix(key, s.key(""))
		for _, live := range []string{"wait:", "group:", "run:", "claims", "leases", "stop:", "ready:", "held", "counted", "scheduled", "outside", "takeover:", "expiring", "unique:"} {
			if strings.HasPrefix(name, live) {
				s.t.Errorf("an idle pool has the key %s", name)
			}
		}
	}
	if total := int64(0); st.Enqueued+st.Retried != 0 {
		for _, n := range st.Ended {
			total += n
		}
		if total != st.Enqueued+st.Retried {
			s.t.Errorf("%d ends of %d tasks and %d retries", total, st.Enqueued, st.Retried)
		}
	}
	return kept
}
