package redisstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// spoiled is a pool with tasks in all states. The victim is the task whose record, run entry, claim
// or extras are spoiled.
type spoiled struct {
	*site
	t      *testing.T
	rng    *rand.Rand
	what   string // the damage and its target
	victim string
	whole  bool // the victim's whole claim is spoiled
	calls  int64
	held   []*task.Task
}

// TestSpoiledKeysBlockNoOtherTask changes the stored data of one task at random and makes every
// call that could read it. No call may return an error, and all other tasks must end as they
// should.
func TestSpoiledKeysBlockNoOtherTask(t *testing.T) {
	randomly(t, *walkSteps/3, func(t *testing.T, rdb *redis.Client, rounds int) {
		seed := *walkSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		for round := range rounds {
			s := &spoiled{site: newSite(t, rdb), t: t, rng: rand.New(rand.NewPCG(seed, uint64(round)))}
			s.live()
			s.clear()
			if t.Failed() {
				t.Fatalf("round %d: %s\nrepeat with: go test ./redisstore -run SpoiledKeys -walk.seed=%d", round, s.what, seed)
			}
		}
	})
}

func (s *spoiled) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Errorf("%s: %v", s.what, err)
	}
}

func (s *spoiled) live() {
	ctx := s.t.Context()
	one := 1
	s.join(s.t, "r")
	s.must(s.store.Configure(ctx, task.Setting{Scope: task.GroupScope, Name: "g", Limit: &one}))
	for i, id := range []string{"run", "group", "ended", "kept", "wait", "blocked", "later", "expires"} {
		spec := task.Spec{ID: id, Priority: int8(50 - i), Payload: []byte("payload"), Retain: new(time.Hour)}
		switch id {
		case "group", "blocked":
			spec.Group = "g"
		case "wait":
			spec.Headers, spec.Timeout, spec.Unique = map[string]string{"h": "v"}, time.Minute, "u"
		case "later":
			spec.Delay = time.Millisecond
		case "expires":
			spec.TTL, spec.Deadline, spec.MaxAttempts, spec.Reply = time.Hour, 2*time.Hour, 3, true
		case "kept":
			spec.Retain, spec.Backoff = new(task.Forever), walkBackoff
		}
		s.enqueue(s.t, spec)
	}
	s.exchange(4)
	if len(s.held) != 4 {
		s.t.Fatalf("claimed %v", s.held)
	}
	s.report("ended", task.Succeed)
	s.report("kept", task.Fail)
	s.spoil()
	s.use()
	s.finish()
}

func (s *spoiled) exchange(n int, reports ...task.Report) task.Exchanged {
	s.t.Helper()
	s.calls++
	x := claimOf(s.calls, "default", n)
	x.Reports, x.Idle = reports, true
	got, err := s.store.Exchange(s.t.Context(), x)
	s.must(err)
	s.held = append(s.held, tasksOf(got)...)
	again, err := s.store.Exchange(s.t.Context(), x)
	s.must(err)
	if len(tasksOf(again)) > len(tasksOf(got)) {
		s.t.Errorf("%s: the repeated call hands out %d tasks, the first %d", s.what, len(tasksOf(again)), len(tasksOf(got)))
	}
	return got
}

func (s *spoiled) report(id string, op task.Op) {
	s.t.Helper()
	i := slices.IndexFunc(s.held, func(t *task.Task) bool { return t.ID == id })
	r := reportOn(s.held[i], op)
	s.held = slices.Delete(s.held, i, i+1)
	if op == task.Fail {
		r.Code = task.CodePermanent
	}
	s.exchange(0, r)
}

// spoil changes one part of the stored data of the victim.
func (s *spoiled) spoil() {
	s.t.Helper()
	ctx := s.t.Context()
	s.victim = []string{"run", "group", "ended", "kept", "wait", "blocked", "later", "expires"}[s.rng.IntN(8)]
	key := s.prefix + "task:" + s.victim
	switch n := s.rng.IntN(13); {
	case n >= 10:
		s.victim = "nobody"
		s.strew()
	case n < 6:
		old := s.rdb.Get(ctx, key).Val()
		now := s.mutate(old)
		s.what = fmt.Sprintf("record of %s from %q to %q", s.victim, old, now)
		s.must(s.rdb.Set(ctx, key, now, 0).Err())
	case n < 8:
		s.victim = []string{"run", "group"}[s.rng.IntN(2)]
		old := s.rdb.HGet(ctx, s.prefix+"run:default", s.victim).Val()
		now := s.mutate(old)
		s.what = fmt.Sprintf("run entry of %s from %q to %q", s.victim, old, now)
		s.must(s.rdb.HSet(ctx, s.prefix+"run:default", s.victim, now).Err())
	case n < 9:
		claims := s.rdb.HGetAll(ctx, s.prefix+"claims").Val()
		for fence, old := range claims {
			now := s.mutate(old)
			s.what = fmt.Sprintf("claim %s from %q to %q", fence, old, now)
			s.must(s.rdb.HSet(ctx, s.prefix+"claims", fence, now).Err())
			s.victim, s.whole = "run", true
		}
	default:
		field := []string{"v", "attempt", "failures", "lost", "generation", "due_at", "stop", "ended_at", "fence", "slow"}[s.rng.IntN(10)]
		value := []string{"", "x", "-1", "1e400", "99999999999999999999", "nan", "0x10", " "}[s.rng.IntN(8)]
		s.what = fmt.Sprintf("%s of %s to %q", field, s.victim, value)
		record := s.rdb.Get(ctx, key).Val()
		s.must(s.rdb.HSet(ctx, s.prefix+"more:"+s.victim, field, value).Err())
		s.must(s.rdb.Set(ctx, key, record[:1]+"1"+record[2:], 0).Err())
	}
}

// strew adds meaningless entries to a key that scripts read.
func (s *spoiled) strew() {
	s.t.Helper()
	junk := []string{"x", "", "1", "1 2 3", "no such task", "g", "€", "-1", "9999999999999999999999"}[s.rng.IntN(9)]
	commands := [][]any{
		{"SADD", "stop:r", junk}, {"HSET", "replica:r", "stop", 1, "sequence:1", junk}, {"HSET", "replica:r", "class", junk}, {"HSET", "group:head:default", junk, junk},
		{"HSET", "group:head:default", "g", junk}, {"ZADD", "group:wait:default", 0, junk}, {"SADD", "group:queues:g", junk}, {"SADD", "group:run:h", junk},
		{"RPUSH", "signals:r", junk}, {"ZADD", "scheduled", 1, junk}, {"ZADD", "wait:default", 1, junk}, {"ZADD", "expiring", 1, junk}, {"SADD", "queues", junk},
		{"HSET", "claims", junk, junk}, {"ZADD", "leases", 1, junk}, {"ZADD", "ended:failed", 1, junk}, {"SET", "unique:u2", junk}, {"SADD", "served:default", junk},
		{"HSET", "class:" + junk, "r:r", 1}, {"ZADD", "replicas", 1, junk}, {"HSET", "run:default", junk, junk}, {"HSET", "meta", "limit:queue:default", "x", "cap:default", "y"},
		{"HSET", "meta", "kind:k", junk}, {"HSET", "meta", "events:max", junk, "events:age", junk}, {"HSET", "meta", "clock", junk, "check", junk}, {"SADD", "held", junk},
	}
	c := commands[s.rng.IntN(len(commands))]
	s.what = fmt.Sprintf("%q", c)
	c[1] = s.prefix + c[1].(string)
	s.must(s.rdb.Do(s.t.Context(), c...).Err())
	if s.rng.IntN(2) == 0 { // the pool has a limit, which makes scripts read more
		n := 100
		s.must(s.store.Configure(s.t.Context(), task.Setting{Scope: task.PoolScope, Limit: &n}))
	}
}

// junks are the replacements for a part of a text.
var junks = []string{"", "x", " ", "\n", "\x00", "-1", "9999999999999999999999", "nan", "1e5", "=", "€", "group=g", " deadline_at=soon", "  "}

// mutate changes a text: it removes, adds or replaces bytes, or replaces a word.
func (s *spoiled) mutate(text string) string {
	if text == "" {
		return "x"
	}
	at := s.rng.IntN(len(text))
	end := at + s.rng.IntN(min(len(text)-at, 20)+1)
	junk := junks[s.rng.IntN(len(junks))]
	switch s.rng.IntN(4) {
	case 0:
		return text[:at] // may be empty
	case 1:
		return text[:at] + junk + text[at:]
	default:
		return text[:at] + junk + text[end:]
	}
}

// use makes every call that may read the victim.
func (s *spoiled) use() {
	ctx, st := s.t.Context(), s.store
	steps := []func(){
		func() { s.exchange(9) },
		func() {
			_, err := st.Renew(ctx, task.Renewal{Replica: "r", Lease: time.Hour, Grace: time.Second, Held: heldBy(s.held...),
				Updates: []task.AttemptUpdate{{ID: "run", Fence: s.held[0].Fence, Progress: []byte("p"), Slow: true}}})
			if !errors.Is(err, task.ErrDrain) { // caused by a field "drain" in the replica's record
				s.must(err)
			}
		},
		func() { _, err := st.Get(ctx, s.victim); s.must(err) },
		func() { _, err := st.History(ctx, s.victim); s.must(err) },
		func() { _, err := st.Histories(ctx, s.victim); s.must(err) },
		func() { _, err := st.Stats(ctx); s.must(err) },
		func() { _, _, err := st.WaitingSince(ctx, "default"); s.must(err) },
		func() { _, err := st.Maintain(ctx, "r"); s.must(err) },
		func() {
			for _, err := range st.Tasks(ctx, task.Filter{}) {
				s.must(err)
			}
		},
		func() {
			_, err := st.Enqueue(ctx, []task.Spec{{Kind: "k", ID: s.victim, Reply: true}, {Kind: "k", ID: "none", Unique: "u"}})
			s.must(err)
		},
		func() { _, err := st.Stop(ctx, "why", s.victim); s.must(err) },
		func() { _, err := st.Retry(ctx, task.Edit{}, s.victim); s.must(err) },
		func() { _, err := st.RunNow(ctx, s.victim); s.must(err) },
	}
	s.rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	for _, step := range steps[:4+s.rng.IntN(len(steps)-4)] {
		step()
	}
}

// finish ends the leases of tasks that cannot be reported, and ends every other task.
func (s *spoiled) finish() {
	ctx := s.t.Context()
	for range 4 {
		reports := make([]task.Report, len(s.held))
		for i, t := range s.held {
			reports[i] = reportOn(t, task.Succeed)
		}
		s.held = nil
		s.exchange(9, reports...)
	}
	for fence := range s.rdb.HGetAll(ctx, s.prefix+"claims").Val() {
		s.rdb.ZAdd(ctx, s.prefix+"leases", redis.Z{Score: 1, Member: fence})
	}
	_, err := s.store.Maintain(ctx, "r")
	s.must(err)
	s.exchange(9)
	reports := make([]task.Report, len(s.held))
	for i, t := range s.held {
		reports[i] = reportOn(t, task.Succeed)
	}
	s.exchange(0, reports...)
	_, err = s.store.Delete(ctx, s.victim)
	s.must(err)
	for _, id := range []string{"run", "group", "ended", "kept", "wait", "blocked", "later", "expires"} {
		got, err := s.store.Get(ctx, id)
		s.must(err)
		if id == s.victim || s.whole && id == "group" || s.victim == "group" && id == "blocked" || s.whole && id == "blocked" {
			continue // blocked waits for the group
		}
		if err != nil || got[0] == nil || !got[0].State.Terminal() {
			s.t.Errorf("%s: %s is %+v", s.what, id, got[0])
		}
	}
	s.must(s.store.ForgetCheck(ctx))
	for f, err := range s.store.Inspect(ctx, task.Inspection{Fix: true}) {
		if f.Check == "entries" {
			s.must(err)
		}
	}
}
