package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
)

// The soak's pool.
const (
	soakLease    = 2 * time.Second
	soakLimit    = 12 // of the queue; live changes stay below
	soakReplicas = 4
	soakEvents   = 50_000 // the cap of the stream
	// A failed enqueue is repeated within this time; after it the id of a
	// removed task is free again.
	soakRetain = 10 * time.Second
)

// soak is a pool with random faults of all kinds.
type soak struct {
	*fleet
	c        *pool.Pool
	rnd      *rand.Rand
	load     *load
	replicas []*process
	first    []int // faults that have not been tried yet
	did      map[string]int
	thaws    sync.WaitGroup
}

type fault struct {
	name   string
	weight int
	do     func()
}

// Every fault happens to a pool, at random, for the duration of -soak: ten
// seconds by default. In the end every task has ended exactly once per
// generation, and no limit was ever exceeded. Nothing has grown: no key is
// left, and the replica that ran throughout has the goroutines and the heap
// that it had at first.
func TestChaosSoak(t *testing.T) {
	t.Parallel()
	length := volume(7*time.Second, *soakFlag)
	s := &soak{fleet: chaosFleet(t, soakLease, 10, soakLimit, redisserver.AOF()), rnd: seeded(t), did: map[string]int{}}
	s.c = s.client()
	if err := s.rdb.HSet(t.Context(), s.key("meta"), "events:max", soakEvents).Err(); err != nil {
		t.Fatal(err)
	}
	s.replicas = s.fleetOf(soakReplicas)
	if err := s.c.SetLimit(t.Context(), pool.GroupsScope, "", 1); err != nil {
		t.Fatal(err)
	}
	follow := s.follow()
	s.load = s.loadOf(s.rnd.Uint64(), 120, soakSpec)
	<-time.After(time.Second) // a process has all its goroutines only after it has worked
	before := s.measure()

	for begin := time.Now(); time.Since(begin) < length; {
		s.fault()
		s.supervise()
		pause(s.rnd, 100*time.Millisecond, 900*time.Millisecond)
		if leases, _ := s.inspect(); leases > soakLimit {
			t.Errorf("%d leases under a limit of %d", leases, soakLimit)
		}
	}

	tasks := s.load.end()
	s.thaws.Wait()
	s.supervise()
	s.calm()
	idle(t, s.c)
	s.retryCall(func() error {
		_, err := s.c.Delete(context.Background(), pool.Filter{States: []pool.State{pool.Succeeded, pool.Failed, pool.Stopped, pool.Expired}})
		return err
	})
	eventually(t, patience, "nothing is left", func() bool {
		st, err := s.c.Stats(context.Background())
		if err != nil {
			return false
		}
		left := st.Scheduled + st.Waiting + st.Running + st.Inbox
		for _, n := range st.Kept {
			left += n
		}
		return left == 0
	})
	if kept := s.checkIdle(s.c); kept != 0 {
		t.Errorf("%d tasks are kept", kept)
	}
	after := s.measure()
	st := stats(t, s.c)
	story := follow.end()
	story.check(t, tasks)
	if int64(story.retries()) != st.Retried {
		t.Errorf("the events have %d retries, the totals %d", story.retries(), st.Retried)
	}
	_, top := s.checkRuns(story, soakLimit, 1)
	s.table(length, tasks, top, story, st, before, after)
	after.check(t, before)
}

// soakSpec returns a task of a random sort. None is kept for long.
func soakSpec(rnd *rand.Rand) pool.Spec {
	sp := pool.Spec{Kind: kindWork, Payload: strconv.AppendInt(nil, rnd.Int64N(80), 10), Priority: int8(rnd.IntN(3))}
	sp.Retain = new(soakRetain + time.Duration(rnd.IntN(3))*time.Second)
	sp.Backoff, sp.MaxAttempts = pool.Backoff{Fixed: true, Base: 20 * time.Millisecond}, 3
	if rnd.IntN(10) == 0 {
		sp.Kind, sp.Payload = kindFlaky, strconv.AppendInt(nil, rnd.Int64N(4), 10)
	}
	if rnd.IntN(4) == 0 {
		sp.Group = "g" + strconv.Itoa(rnd.IntN(5))
	}
	switch rnd.IntN(10) {
	case 0:
		sp.Delay = time.Duration(rnd.Int64N(int64(2 * time.Second)))
	case 1:
		sp.TTL = 500*time.Millisecond + time.Duration(rnd.Int64N(int64(5*time.Second)))
	case 2:
		sp.Deadline = time.Second + time.Duration(rnd.Int64N(int64(5*time.Second)))
	case 3:
		sp.Timeout = 50 * time.Millisecond
	}
	return sp
}

// fault causes one fault, or one change by an operator.
func (s *soak) fault() {
	faults := []fault{
		{"process killed", 6, func() { s.replace(s.replicas, 1+s.rnd.IntN(soakReplicas-1)) }},
		{"process frozen", 3, s.freezeOne},
		{"process terminated", 2, s.terminate},
		{"Redis killed and restarted", 1, s.restart},
		{"connections killed", 2, func() { _ = s.rdb.ClientKillByFilter(context.Background(), "TYPE", "normal", "SKIPME", "no").Err() }},
		{"scripts flushed", 3, func() { _ = s.rdb.ScriptFlush(context.Background()).Err() }},
		{"memory squeezed", 1, s.squeeze},
		{"stop by a person", 4, func() {
			s.person(func(f pool.Filter) (int, error) { return s.c.Stop(context.Background(), f, "enough") })
		}},
		{"retry by a person", 4, func() { s.person(func(f pool.Filter) (int, error) { return s.c.Retry(context.Background(), f) }) }},
		{"delete by a person", 4, func() { s.person(func(f pool.Filter) (int, error) { return s.c.Delete(context.Background(), f) }) }},
		{"pause and resume", 1, s.pauseQueue},
		{"limit changed", 2, func() {
			s.retryCall(func() error {
				return s.c.SetLimit(context.Background(), pool.QueueScope, pool.DefaultQueue, 1+s.rnd.IntN(soakLimit))
			})
		}},
	}
	if s.first == nil { // each fault once, then at random
		s.first = s.rnd.Perm(len(faults))
	}
	at := 0
	if len(s.first) > 0 {
		at, s.first = s.first[0], s.first[1:]
	} else {
		sum := 0
		for _, f := range faults {
			sum += f.weight
		}
		for left := s.rnd.IntN(sum) - faults[0].weight; left >= 0; left -= faults[at].weight {
			at++
		}
	}
	s.did[faults[at].name]++
	faults[at].do()
}

// freezeOne stops a process for up to three leases, while other faults happen.
// The first process is the only one that is never killed.
func (s *soak) freezeOne() {
	p := s.replicas[s.rnd.IntN(soakReplicas)]
	s.mu.Lock()
	frozen := len(s.freezes[p.pid]) > 0 && s.freezes[p.pid][len(s.freezes[p.pid])-1].to.IsZero()
	s.mu.Unlock()
	if frozen {
		return
	}
	length := time.Duration(s.rnd.Int64N(int64(3 * soakLease)))
	p.freeze()
	s.thaws.Go(func() {
		<-time.After(length)
		p.thaw()
	})
}

func (s *soak) terminate() {
	i := 1 + s.rnd.IntN(soakReplicas-1)
	p := s.replicas[i]
	p.signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(3 * time.Second):
		p.kill() // it is frozen
	}
	s.replicas[i] = s.start(roleReplica)
}

// supervise replaces the processes that have ended by themselves: a process
// that cannot join at its start ends.
func (s *soak) supervise() {
	for i, p := range s.replicas {
		select {
		case <-p.gone:
			s.did["process ended by itself"]++
			if i == 0 {
				s.t.Errorf("the first process has ended: %s", p.log.Bytes())
			}
			s.replicas[i] = s.start(roleReplica)
		default:
		}
	}
}

func (s *soak) restart() {
	s.server.Kill(s.t)
	pause(s.rnd, 0, 1500*time.Millisecond)
	s.server.Restart(s.t)
	// A restart resets the settings that were made at runtime, such as
	// maxmemory.
}

// squeeze fills Redis for a while.
func (s *soak) squeeze() {
	ctx := context.Background()
	_ = s.rdb.ConfigSet(ctx, "maxmemory", "1").Err()
	pause(s.rnd, 300*time.Millisecond, 1500*time.Millisecond)
	s.retryCall(func() error { return s.rdb.ConfigSet(ctx, "maxmemory", "0").Err() })
}

// person changes some of the latest tasks. Some changes are refused, as they
// should be: the task has ended, has not ended yet, or is removed.
func (s *soak) person(do func(pool.Filter) (int, error)) {
	n, err := do(pool.Filter{IDs: s.load.some(s.rnd, 40)})
	s.did["tasks changed by a person"] += n
	for _, known := range []error{pool.ErrNotFound, pool.ErrEnded, pool.ErrNotEnded} {
		if errors.Is(err, known) {
			return
		}
	}
	if err != nil {
		s.t.Error(err)
	}
}

func (s *soak) pauseQueue() {
	s.retryCall(func() error { return s.c.Pause(context.Background(), pool.DefaultQueue) })
	pause(s.rnd, 0, time.Second)
	s.retryCall(func() error { return s.c.Resume(context.Background(), pool.DefaultQueue) })
}

// retryCall repeats a call that killed connections may break.
func (s *soak) retryCall(f func() error) {
	s.t.Helper()
	eventually(s.t, patience, "a call works", func() bool { return f() == nil })
}

// calm undoes the faults that may still be in effect.
func (s *soak) calm() {
	ctx := context.Background()
	s.retryCall(func() error { return s.rdb.ConfigSet(ctx, "maxmemory", "0").Err() })
	s.retryCall(func() error { return s.c.SetLimit(ctx, pool.QueueScope, pool.DefaultQueue, soakLimit) })
	s.retryCall(func() error { return s.c.Resume(ctx, pool.DefaultQueue) })
}

// follower reads the events as they arrive.
type follower struct {
	story *chronicle
	stop  chan struct{}
	done  chan struct{}
	s     *soak
}

func (s *soak) follow() *follower {
	f := &follower{story: newChronicle(), stop: make(chan struct{}), done: make(chan struct{}), s: s}
	st := s.store()
	go func() {
		defer close(f.done)
		at, stopping := "0", false
		for s.t.Context().Err() == nil { // else the test has failed
			page, err := st.ReadEvents(s.t.Context(), at, 1000, 50*time.Millisecond)
			var trimmed *pool.TrimmedError
			if errors.As(err, &trimmed) {
				s.t.Error(err)
				return
			}
			if err != nil {
				<-time.After(20 * time.Millisecond)
				continue
			}
			for _, e := range page {
				f.story.add(e)
				at = e.Cursor
			}
			if len(page) == 0 && stopping {
				return
			}
			select {
			case <-f.stop:
				stopping = true
			default:
			}
		}
	}()
	return f
}

// end waits until the story has been read to its end and returns it.
func (f *follower) end() *chronicle {
	close(f.stop)
	receive(f.s.t, f.done, patience, "the end of the events")
	return f.story
}

// figures are the values that must not grow.
type figures struct {
	goroutines int    // of the process that runs throughout
	heap       uint64 // bytes, of the same process
	keys       int64
	memory     int64 // bytes that Redis holds besides the event stream
}

func (s *soak) measure() figures {
	s.t.Helper()
	v := s.replicas[0].vitals()
	g := figures{goroutines: v.Goroutines, heap: v.Heap}
	ctx := context.Background()
	var err error
	if g.keys, err = s.rdb.DBSize(ctx).Result(); err != nil {
		s.t.Fatal(err)
	}
	stream, err := s.rdb.MemoryUsage(ctx, s.key("events"), 0).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	info, err := s.rdb.Info(ctx, "memory").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory_dataset:"); ok {
			g.memory, _ = strconv.ParseInt(v, 10, 64)
		}
	}
	g.memory -= stream
	return g
}

func (g figures) check(t testing.TB, before figures) {
	t.Helper()
	// One measurement may be in the middle of a call more than the other.
	if g.goroutines > before.goroutines+10 {
		t.Errorf("%d goroutines at first, %d in the end", before.goroutines, g.goroutines)
	}
	if g.heap > before.heap+8<<20 {
		t.Errorf("a heap of %d bytes at first, of %d in the end", before.heap, g.heap)
	}
	if g.memory > before.memory+16<<20 {
		t.Errorf("Redis held %d bytes besides the events at first, %d in the end", before.memory, g.memory)
	}
}

// table prints the faults and their results.
func (s *soak) table(length time.Duration, tasks, top int, story *chronicle, st pool.Stats, before, after figures) {
	var b strings.Builder
	line := func(what string, v any) { fmt.Fprintf(&b, "\n  %-34s %v", what, v) }
	line("length", length)
	for _, name := range []string{
		"process killed", "process frozen", "process terminated", "process ended by itself", "Redis killed and restarted", "connections killed",
		"scripts flushed", "memory squeezed", "stop by a person", "retry by a person", "delete by a person",
		"tasks changed by a person", "pause and resume", "limit changed",
	} {
		line(name, s.did[name])
	}
	line("tasks", tasks)
	line("enqueues repeated after an error", s.load.repeated)
	line("claims", len(story.order))
	line("events", story.events)
	line("ends", st.Ended)
	line("retries", st.Retried)
	line("leases lost", st.LeasesLost)
	line("handlers at once, limit", fmt.Sprint(top, ", ", soakLimit))
	line("processes started", s.begun)
	line("goroutines of one, before and after", fmt.Sprint(before.goroutines, ", ", after.goroutines))
	line("its heap, KiB", fmt.Sprint(before.heap>>10, ", ", after.heap>>10))
	line("keys", fmt.Sprint(before.keys, ", ", after.keys))
	line("Redis beside the events, KiB", fmt.Sprint(before.memory>>10, ", ", after.memory>>10))
	s.t.Log(b.String())
}
