package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/lua"
	"github.com/ltsworker/ltsworker/task"
)

// stream writes the callback stream of a pool directly.
type stream struct {
	*site
	t   *testing.T
	raw *redis.Client // without the hooks of the tests
}

func newStream(t *testing.T) *stream {
	server := redisserver.Shared(t)
	s := &stream{site: newSite(t, server.Client(t)), t: t, raw: server.Client(t)}
	s.read("a", 1)
	return s
}

// add appends n events and returns the id of the last.
func (s *stream) add(n int) (last string) {
	s.t.Helper()
	for range n {
		var err error
		last, err = s.raw.XAdd(context.Background(), &redis.XAddArgs{
			Stream: s.prefix + "events", Values: []any{"ids", "x", "kind", "k", "state", "waiting", "v", "1", "at", "1700000000000"},
		}).Result()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return last
}

// trim removes everything up to the entry.
func (s *stream) trim(last string) {
	s.t.Helper()
	ctx := context.Background()
	err := errors.Join(
		s.raw.HSet(ctx, s.prefix+"meta", "events:trimmed", last).Err(),
		s.raw.XTrimMinID(ctx, s.prefix+"events", last).Err(),
		s.raw.XDel(ctx, s.prefix+"events", last).Err(),
	)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) read(consumer string, limit int) (events []task.Event, trimmed bool) {
	s.t.Helper()
	events, trimmed, err := s.store.ReadSubscription(s.t.Context(), "g", consumer, limit, time.Hour, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return events, trimmed
}

func TestGroupReadsOnWhileTheStreamIsTrimmed(t *testing.T) {
	s := newStream(t)
	for round := range 5 {
		s.trim(s.add(20))
		s.add(3)
		if events, trimmed := s.read("a", 10); len(events) != 3 || !trimmed {
			t.Errorf("round %d: %d events, trimmed %v, want 3 and true", round, len(events), trimmed)
		}
	}
	if events, trimmed := s.read("a", 10); len(events) != 0 || trimmed {
		t.Errorf("afterwards: %d events, trimmed %v", len(events), trimmed)
	}
	s.trim(s.add(20))
	for _, want := range []bool{true, false} {
		if events, trimmed := s.read("a", 10); len(events) != 0 || trimmed != want {
			t.Errorf("with an empty stream: %d events, trimmed %v, want %v", len(events), trimmed, want)
		}
	}
}

func TestTrimBetweenLookAndReadIsTold(t *testing.T) {
	s := newStream(t)
	last := s.add(5)
	once := true
	s.rdb.AddHook(hook{pipeline: func(cmds []redis.Cmder) {
		if once && cmds[0].Name() == "xautoclaim" {
			once = false
			s.trim(last)
			s.add(1)
		}
	}})
	if events, trimmed := s.read("a", 10); len(events) != 1 || !trimmed {
		t.Errorf("%d events, trimmed %v, want 1 and true", len(events), trimmed)
	}
	if events, trimmed := s.read("a", 10); len(events) != 0 || trimmed {
		t.Errorf("afterwards: %d events, trimmed %v", len(events), trimmed)
	}
}

func TestTrimIsToldAfterACallThatFailed(t *testing.T) {
	s := newStream(t)
	s.trim(s.add(5))
	s.add(1)
	once := true
	broken := errors.New("connection reset")
	s.rdb.AddHook(hook{process: func(cmd redis.Cmder) error {
		if once && cmd.Name() == "hget" {
			once = false
			return broken
		}
		return nil
	}})
	if _, _, err := s.store.ReadSubscription(t.Context(), "g", "a", 10, time.Hour, 0); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	// The group has moved past the trimmed entries.
	if _, trimmed := s.read("a", 10); !trimmed {
		t.Error("the group got no report of the trimmed events")
	}
	if _, trimmed := s.read("a", 10); trimmed {
		t.Error("the group got the report of the trimmed events twice")
	}
}

func TestAbandonedEventsBehindManyFreshOnesAreTakenOver(t *testing.T) {
	s := newStream(t)
	first, last := s.add(1), ""
	s.add(500)
	last = s.add(1)
	if events, _ := s.read("busy", 1000); len(events) != 502 {
		t.Fatalf("%d events", len(events))
	}
	for _, abandoned := range []string{last, first, last} {
		err := s.raw.Do(t.Context(), "XCLAIM", s.prefix+"events", "g", "dead", 0, abandoned, "IDLE", 2*time.Hour.Milliseconds()).Err()
		if err != nil {
			t.Fatal(err)
		}
		var got []task.Event
		for calls := 0; len(got) == 0 && calls < 12; calls++ {
			got, _ = s.read("a", 1)
		}
		if len(got) != 1 || got[0].Cursor != abandoned {
			t.Errorf("taken over: %v, want %s", fmt.Sprint(got), abandoned)
		}
	}
}

// hook observes commands: pipelines after they are sent, single commands before.
type hook struct {
	process  func(redis.Cmder) error
	pipeline func([]redis.Cmder)
}

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.process != nil {
			if err := h.process(cmd); err != nil {
				cmd.SetErr(err)
				return err
			}
		}
		return next(ctx, cmd)
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if h.pipeline != nil {
			h.pipeline(cmds)
		}
		return err
	}
}

// A process that was killed leaves its consumer in the group. Another consumer removes it, but
// not before its entries are taken over, and never one that makes calls.
func TestDeadConsumersAreRemoved(t *testing.T) {
	server := redisserver.Start(t, redisserver.Clock(t))
	server.SetClock(t, 0)
	s := &stream{site: newSite(t, server.Client(t)), t: t, raw: server.Client(t)}
	clock := time.Duration(0)
	forward := func(d time.Duration) {
		clock += d
		server.SetClock(t, clock)
	}
	read := func(consumer string, idle time.Duration) []task.Event {
		t.Helper()
		// A new store checks for dead consumers with its first call.
		events, _, err := s.open(t, s.rdb).ReadSubscription(t.Context(), "g", consumer, 100, idle, 0)
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
	want := func(names ...string) {
		t.Helper()
		var got []string
		for _, c := range s.raw.XInfoConsumers(t.Context(), s.prefix+"events", "g").Val() {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, names) {
			t.Errorf("consumers %v, want %v", got, names)
		}
	}
	read("living", time.Minute)
	s.add(1)
	if events := read("holder", time.Minute); len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	for i := range 6 {
		read(fmt.Sprint("killed", i), time.Minute)
	}
	all := []string{"holder", "killed0", "killed1", "killed2", "killed3", "killed4", "killed5", "living"}
	want(all...)
	forward(50 * time.Second)
	read("living", 2*time.Minute)
	want(all...)
	forward(time.Minute)
	read("living", 2*time.Minute) // the entry may still be held
	want(all...)
	s.add(1)
	if events := read("heir", 10*time.Minute); len(events) != 1 {
		t.Errorf("%d new events, want 1", len(events))
	}
	want(append([]string{"heir"}, all...)...)
	if events := read("living", 85*time.Second); len(events) != 1 {
		t.Errorf("%d events are taken over, want that of the holder", len(events))
	}
	want("heir", "living")
	// A consumer that was taken for dead gets entries again.
	s.add(1)
	if events := read("killed0", time.Minute); len(events) != 1 {
		t.Errorf("%d new events, want 1", len(events))
	}
	want("heir", "killed0", "living")
}

// Redis counts how long an entry is held from the time of its delivery. After its clock was set
// back, that time may be in the future.
func TestHeldEventsAreDeliveredAgainAfterTheClockWasSetBack(t *testing.T) {
	server := redisserver.Start(t, redisserver.Clock(t))
	server.SetClock(t, 0)
	s := &stream{site: newSite(t, server.Client(t)), t: t, raw: server.Client(t)}
	read := func(consumer string) int {
		t.Helper()
		// A new store checks the consumers with its first call.
		events, _, err := s.open(t, s.rdb).ReadSubscription(t.Context(), "g", consumer, 100, time.Minute, 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(events)
	}
	maintain := func() {
		t.Helper()
		if _, err := s.store.Maintain(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
	}
	read("living")
	s.add(3)
	if n := read("killed"); n != 3 {
		t.Fatalf("%d events, want 3", n)
	}
	maintain()
	server.SetClock(t, -time.Hour)
	maintain()
	if n := read("living"); n != 0 {
		t.Errorf("%d events are taken over from a consumer that may still hold them", n)
	}
	server.SetClock(t, -time.Hour+50*time.Second)
	if n := read("living"); n != 0 {
		t.Errorf("%d events are taken over before the end of the minute", n)
	}
	server.SetClock(t, -time.Hour+70*time.Second)
	if n := read("living"); n != 3 {
		t.Errorf("%d events are taken over after the minute, want 3", n)
	}
}

// One page of held entries is handled per call. Entries that were trimmed stay held until the
// subscription has reported their loss.
func TestHeldEventsAreCountedFromNowInPages(t *testing.T) {
	server := redisserver.Start(t, redisserver.Clock(t))
	server.SetClock(t, 0)
	s := &stream{site: newSite(t, server.Client(t)), t: t, raw: server.Client(t)}
	const entries, page, trimmed = 1200, 500, 5
	ctx, key := t.Context(), s.prefix+"events"
	p := s.raw.Pipeline()
	for range entries {
		p.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []any{"ids", "x", "state", "waiting"}})
	}
	p.XGroupCreate(ctx, key, "g", "0")
	p.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "killed", Streams: []string{key, ">"}, Count: entries})
	if _, err := p.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	maintain := func() {
		if _, err := s.store.Maintain(ctx, "r"); err != nil {
			t.Fatal(err)
		}
	}
	maintain()
	server.SetClock(t, -time.Hour)
	maintain()
	all := s.raw.XRange(ctx, key, "-", "+").Val()
	s.raw.XTrimMinID(ctx, key, all[trimmed].ID)
	checked := ""
	for call := 1; ; call++ {
		server.SetClock(t, -time.Hour+time.Duration(call)*time.Minute)
		reply, err := s.raw.Eval(ctx, lua.Source("consumers"), []string{s.prefix, s.prefix + "meta"}, "g", "living", 0, 3_600_000, 10, checked).Slice()
		if err != nil {
			t.Fatal(err)
		}
		server.SetClock(t, -time.Hour+time.Duration(call)*time.Minute+time.Second)
		counted := 0
		for _, e := range s.raw.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: key, Group: "g", Start: "-", End: "+", Count: entries}).Val() {
			if e.Idle > 0 {
				counted++
			}
		}
		if want := min(call*page, entries-trimmed); counted != want {
			t.Errorf("after call %d %d entries are counted from now, want %d", call, counted, want)
		}
		if checked = reply[1].(string); checked == "" {
			break
		}
	}
	if n := s.raw.XPending(ctx, key, "g").Val().Count; n != entries {
		t.Errorf("%d entries are held, want all %d, those that were trimmed included", n, entries)
	}
}
