package integration

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
)

// inspection looks at a whole pool at one instant. It returns what is wrong, then
// the number of live leases and of tasks.
var inspection = redis.NewScript(`
local P = KEYS[1]
local wrong = {}
local function say(text) if #wrong < 20 then wrong[#wrong + 1] = text end end
local at, group_of = {}, {}
local function put(id, index)
  if at[id] then say('task ' .. id .. ' is in ' .. at[id] .. ' and ' .. index) end
  at[id] = index
end
local leases = 0
for _, q in ipairs(redis.call('SMEMBERS', P .. 'queues')) do
  for _, id in ipairs(redis.call('ZRANGE', P .. 'wait:' .. q, 0, -1)) do put(id, 'waiting ' .. q) end
  for _, m in ipairs(redis.call('ZRANGE', P .. 'group:wait:' .. q, 0, -1)) do put(string.match(m, '(%S+)$'), 'waiting ' .. q) end
  for _, id in ipairs(redis.call('ZRANGE', P .. 'running:' .. q, 0, -1)) do
    put(id, 'running ' .. q)
    leases = leases + 1
  end
end
for _, id in ipairs(redis.call('ZRANGE', P .. 'scheduled', 0, -1)) do put(id, 'scheduled') end
for _, s in ipairs({ 'succeeded', 'failed', 'stopped', 'expired' }) do
  for _, id in ipairs(redis.call('ZRANGE', P .. 'ended:' .. s, 0, -1)) do put(id, s) end
end
local tasks = 0
for _, key in ipairs(redis.call('KEYS', P .. '*')) do
  local name = string.sub(key, #P + 1)
  local kind, id = string.match(name, '^([^:]+):(.*)$')
  if kind == 'task' then
    tasks = tasks + 1
    local h = redis.call('HMGET', key, 'state', 'queue', 'group', 'fence', 'attempt', 'unique')
    local want = h[1] or 'none'
    if want == 'waiting' or want == 'running' then want = want .. ' ' .. (h[2] or 'default') end
    if at[id] ~= want then say('task ' .. id .. ' is ' .. want .. ' and in the index ' .. (at[id] or 'none')) end
    at[id] = nil
    if h[3] then
      local member = redis.call('SISMEMBER', P .. 'group:run:' .. h[3], id) == 1
      if member ~= (h[1] == 'running') then say('task ' .. id .. ' is ' .. want .. ' and in its group: ' .. tostring(member)) end
      group_of[id] = h[3]
    end
  elseif kind == 'history' then
    if redis.call('EXISTS', P .. 'task:' .. id) == 0 then say('history of the deleted task ' .. id) end
  elseif kind == 'unique' then
    local holder = redis.call('GET', key)
    local state = redis.call('HGET', P .. 'task:' .. holder, 'state')
    if not state or redis.call('HEXISTS', P .. 'task:' .. holder, 'ended_at') == 1 then
      say(name .. ' is held by task ' .. holder .. ', which is ' .. tostring(state))
    end
  elseif string.sub(name, 1, 10) == 'group:run:' then
    for _, member in ipairs(redis.call('SMEMBERS', key)) do
      if redis.call('HGET', P .. 'task:' .. member, 'state') ~= 'running' then say(name .. ' has ' .. member .. ', which does not run') end
    end
  elseif kind == 'group' or kind == 'wait' or kind == 'running' or kind == 'ended' or kind == 'wake' or kind == 'bell' or
    kind == 'replica' or kind == 'call' or kind == 'lock' or kind == 'inbox' or name == 'inbox' or name == 'scheduled' or
    name == 'expiring' or name == 'events' or name == 'meta' or name == 'queues' or name == 'stats' or name == 'replicas' or
    kind == 'load' then
  else
    say('unknown key ' .. name)
  end
end
for id, index in pairs(at) do say('no task ' .. id .. ', which is in the index ' .. index) end
for _, id in ipairs(redis.call('ZRANGE', P .. 'expiring', 0, -1)) do
  if redis.call('EXISTS', P .. 'task:' .. id) == 0 then say('expiring has the deleted task ' .. id) end
end
return { leases, tasks, wrong }`)

// inspect checks every index of the pool at one instant, idle or not, and returns
// the number of live leases and of tasks.
func (s *site) inspect() (leases, tasks int) {
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

// checkIdle checks a pool on which nothing is live: no lease, no entry of a live
// index, no key of a task that is gone. It returns the tasks that are kept.
func (s *site) checkIdle(c *pool.Pool) (kept int) {
	s.t.Helper()
	leases, kept := s.inspect()
	st := stats(s.t, c)
	if leases != 0 || st.Running != 0 {
		s.t.Errorf("%d leases and a running count of %d on an idle pool", leases, st.Running)
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
		for _, live := range []string{"wait:", "group:", "running:", "scheduled", "expiring", "unique:"} {
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
