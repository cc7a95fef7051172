package integration

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// collector is a consumer that keeps the versions of each task that it
// received.
type collector struct {
	mu   sync.Mutex
	seen map[string][]pool.Event
	ends int
}

func (c *collector) take(_ context.Context, e pool.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string][]pool.Event{}
	}
	c.seen[e.ID] = append(c.seen[e.ID], e)
	if e.State.Terminal() {
		c.ends++
	}
	return nil
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends
}

// subscribe consumes events until the test ends or stop is called.
func subscribe(t testing.TB, p *pool.Pool, group string, fn func(context.Context, pool.Event) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Subscribe(ctx, group, fn); err != nil {
			t.Error(err)
		}
	}()
	stop = func() {
		t.Helper()
		cancel()
		receive(t, done, patience, "the end of Subscribe")
	}
	t.Cleanup(stop)
	return stop
}

// awaitGroup returns when the group exists. The group receives the events from
// then on.
func (s *site) awaitGroup(group string) {
	s.t.Helper()
	var rdb redis.UniversalClient = s.rdb
	if s.dial != nil {
		rdb = s.dial()
	}
	eventually(s.t, patience, "the group "+group, func() bool {
		groups, err := rdb.XInfoGroups(context.Background(), s.key("events")).Result()
		if err != nil {
			return false
		}
		for _, g := range groups {
			if g.Name == group {
				return true
			}
		}
		return false
	})
}

// A consumer that was down while many tasks ended gets every end afterwards. It
// gets the events of each task in order.
func TestConsumerThatWasDownGetsEveryEvent(t *testing.T) {
	tasks := volume(2000, 10_000)
	s := newSite(t)
	c := s.client()
	stop := subscribe(t, c, "billing", func(context.Context, pool.Event) error { return nil })
	s.awaitGroup("billing")
	stop()

	s.replicas(2, slots(25), "step", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i].Kind = "step"
	}
	enqueueAll(t, c, specs)
	idle(t, c)
	lag, err := c.SubscriptionLag(t.Context(), "billing")
	if err != nil || lag.Unread != 3*tasks {
		t.Errorf("%d events unread, %v; want %d", lag.Unread, err, 3*tasks)
	}

	var got collector
	subscribe(t, s.client(), "billing", got.take)
	eventually(t, patience, "every end has arrived", func() bool { return got.count() >= tasks })
	got.mu.Lock()
	defer got.mu.Unlock()
	if len(got.seen) != tasks {
		t.Errorf("events of %d tasks", len(got.seen))
	}
	for _, events := range got.seen {
		life(events).check(t)
	}
}

// A consumer that hangs delays no other consumer, and its lag is visible. A
// reader whose next events were trimmed gets an error.
func TestSlowConsumerSlowsNobodyAndSeesItsLag(t *testing.T) {
	tasks, keep := volume(2000, 3000), 1000
	s := newSite(t)
	c := s.client()
	first, release := make(chan string, 1), make(chan struct{})
	subscribe(t, s.client(), "slow", func(_ context.Context, e pool.Event) error {
		select {
		case first <- e.Cursor:
		default:
		}
		<-release
		return nil
	})
	defer close(release)
	s.awaitGroup("slow")
	cfg := slots(25)
	cfg.MaxEvents = keep
	s.replicas(2, cfg, "step", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	enqueue(t, c, pool.Spec{Kind: "step"})
	cursor := receive(t, first, patience, "the first event")

	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i].Kind = "step"
	}
	enqueueAll(t, c, specs)
	if st := idle(t, c); st.Ended[pool.Succeeded] != int64(tasks+1) {
		t.Errorf("ends %v", st.Ended)
	}
	lag, err := c.SubscriptionLag(t.Context(), "slow")
	if err != nil || lag.Unread+lag.Pending < keep/2 || lag.MaxEvents != keep {
		t.Errorf("the lag is %+v, %v", lag, err)
	}
	t.Logf("lag: %d unread, %d pending", lag.Unread, lag.Pending)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	announced := false
	for e, err := range c.Events(ctx, cursor) {
		if !announced {
			var trimmed *pool.TrimmedError
			if !errors.As(err, &trimmed) || trimmed.After != cursor {
				t.Fatalf("a reader behind the trim gets %+v, %v", e, err)
			}
			announced = true
			continue
		}
		if err != nil || e.ID == "" {
			t.Errorf("a reader that continues after the trim gets %+v, %v", e, err)
		}
		break
	}
}

// An invalid entry that another program has put into the stream delays no
// reader.
func TestBrokenEventHoldsUpNoReader(t *testing.T) {
	s := newSite(t)
	c := s.client()
	var got collector
	subscribe(t, s.client(), "tests", got.take)
	s.awaitGroup("tests")
	add := func(values ...any) {
		t.Helper()
		if err := s.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: s.key("events"), Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	add("ids", "bad", "state", "failed", "at", "soon")
	add("note", "not an event")
	id := enqueue(t, c, pool.Spec{Kind: "step", Delay: time.Hour})

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	broken := 0
	for e, err := range c.Events(ctx, "0") {
		if err != nil {
			t.Fatal(err)
		}
		if e.ID == id {
			break
		}
		if e.Broken != nil {
			broken++
		}
	}
	if broken != 2 {
		t.Errorf("%d broken events preceded the event of the task, want 2", broken)
	}
	eventually(t, patience, "the group has read everything", func() bool {
		lag, err := c.SubscriptionLag(t.Context(), "tests")
		return err == nil && lag.Unread == 0 && lag.Pending == 0
	})
	got.mu.Lock()
	defer got.mu.Unlock()
	if len(got.seen) != 2 || len(got.seen["bad"]) != 1 || got.seen["bad"][0].Broken == nil || len(got.seen[id]) != 1 {
		t.Errorf("delivered %+v, want one event of each task", got.seen)
	}
}

// A consumer that dies while it holds entries loses none. Another consumer of
// its group gets them and everything after them.
func TestEventsOfADeadConsumerReachAnother(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second, 1, 0)
	c := f.client()
	dying := f.start(roleConsumer)
	f.awaitGroup("tests")
	var ids []string
	for range 20 {
		ids = append(ids, enqueue(t, c, pool.Spec{Kind: "step"}))
	}
	if _, err := c.Stop(t.Context(), pool.Filter{IDs: ids}, ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the consumer holds an entry", func() bool { return len(f.recorded()) > 0 })
	lag, err := c.SubscriptionLag(t.Context(), "tests")
	if err != nil || lag.Pending == 0 {
		t.Errorf("%d entries pending, %v", lag.Pending, err)
	}
	dying.kill()

	var got collector
	heir := f.pool(pool.Config{Redeliver: 300 * time.Millisecond})
	subscribe(t, heir, "tests", got.take)
	eventually(t, patience, "everything is acknowledged", func() bool {
		lag, err := c.SubscriptionLag(t.Context(), "tests")
		return err == nil && lag.Unread == 0 && lag.Pending == 0
	})
	got.mu.Lock()
	defer got.mu.Unlock()
	for _, id := range ids {
		versions := map[int64]bool{}
		for _, e := range got.seen[id] {
			versions[e.Version] = true
		}
		if !versions[1] || !versions[2] {
			t.Errorf("task %s: received %v", id, got.seen[id])
		}
	}
}

// A worker dies right after it has reported. The event exists exactly once, and
// the task does not run again.
func TestReportOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	f := newFleet(t, longLease, 4, 0)
	c := f.client()
	for range 3 {
		p := f.start(roleReplica)
		f.awaitReplicas(1)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		after, err := f.store().LastEvent(ctx)
		if err != nil {
			t.Fatal(err)
		}
		id := enqueue(t, c, pool.Spec{Kind: kindWork, Payload: []byte("1"), Retain: new(time.Hour)})
		dead := ""
		for e, err := range c.Events(ctx, after) {
			if err != nil {
				t.Fatal(err)
			}
			if e.ID == id && e.State.Terminal() {
				p.kill()
				dead = e.Replica
				break
			}
		}
		cancel()
		f.endLeases(dead)
		q := f.start(roleReplica)
		q.awaitJoin(c)
		l := f.history()[id]
		l.check(t)
		if l.ends() != 1 || l.count(pool.Succeeded, pool.CodeOK) != 1 || len(l) != 3 {
			t.Errorf("the task's events are %v", l)
		}
		q.kill()
		f.endLeases(f.rdb.ZRange(t.Context(), f.key("replicas"), 0, 0).Val()[0]) // the only one
	}
}

// The two ways to learn of ends. One of the replicas with OnFinish gets each
// end. A reader of Events gets all changes as they happen.
func TestOnFinishGetsEachEndOnce(t *testing.T) {
	const tasks = 500
	s := newSite(t)
	c := s.client()
	var got collector
	cfg := slots(10)
	cfg.OnFinish = func(ctx context.Context, e pool.Event) { _ = got.take(ctx, e) }
	s.replicas(3, cfg, "step", func(context.Context, *task.Task) ([]byte, error) { return []byte(`"done"`), nil })
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{Kind: "step", Headers: map[string]string{"trace": "abc"}}
	}
	enqueueAll(t, c, specs)
	eventually(t, patience, "every end has been reported", func() bool { return got.count() >= tasks })
	got.mu.Lock()
	defer got.mu.Unlock()
	for id, events := range got.seen {
		e := events[0]
		if len(events) != 1 || e.State != pool.Succeeded || string(e.Result) != `"done"` || e.Meta["trace"] != "abc" {
			t.Errorf("task %s: %+v", id, events)
		}
	}
}
