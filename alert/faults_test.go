package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

func now(r Rule) Rule { r.For = 0; return r }

func TestPaceIsBelowThatOfTheServiceAndPerMinute(t *testing.T) {
	for _, c := range []struct {
		p Pace
		n int
	}{{Pace{3, time.Second}, 50}, {Pace{5, 20 * time.Second}, 5}, {Pace{5, 20 * time.Second}, 4}, {Pace{10, time.Second}, 50}, {Pace{3, time.Second}, 600}} {
		got := Receiver{Channel: &fakeChannel{pace: c.p}, PerMinute: c.n}.pace()
		if most := got.Burst + int(time.Minute/got.Every); most > c.n || got.Burst > c.p.Burst || got.Every < c.p.Every {
			t.Errorf("of %+v with %d a minute: %+v, at most %d in a minute", c.p, c.n, got, most)
		}
	}
}

// The list of replicas that have gone is bounded, and finds new ones for ever.
func TestReplicaGoneIsFoundAfterManyHosts(t *testing.T) {
	begin := time.Now()
	rule := Rule{When: ReplicaGone, Window: 15 * time.Minute}
	for _, every := range []time.Duration{time.Minute, time.Second} {
		r := &round{memory: newMemory([]Rule{rule})}
		for i := range mostKnown + 100 {
			r.at = begin.Add(time.Duration(i) * every)
			r.replicas = []task.ReplicaInfo{{ID: fmt.Sprint("r", i), Host: fmt.Sprint("h", i), SeenAt: r.at.Add(-time.Minute), Silent: 20 * time.Second, Lease: 30 * time.Second}}
			r.missReplicas()
		}
		r.replicas = nil
		r.missReplicas()
		if k := r.known[fmt.Sprint("r", mostKnown+99)]; k.Gone.IsZero() || len(r.known) > mostKnown {
			t.Errorf("the last of %d replicas is %+v", len(r.known), k)
		}
	}
}

// A clock of the store that goes back delays nothing.
func TestClockThatGoesBackDelaysNoMessage(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		at := time.Now()
		ahead := at.Add(time.Hour)
		s := &sender{pace: Pace{4, 4 * time.Second}, health: &health{Next: ahead}}
		if wait := s.untilFree(at, &sending{}); wait > 4*time.Second {
			t.Errorf("a message waits for %v", wait)
		}
		j := &judge{now: at, alerts: map[string]*Alert{"a": {Since: ahead, Sent: ahead}}}
		j.clamp()
		if a := j.alerts["a"]; !a.Since.Equal(at) || !a.Sent.Equal(at) || !a.Fired.IsZero() {
			t.Errorf("%+v", a)
		}
	})
}

// A message that the service takes while the process is stopped is not sent by the next one.
func TestMessageTakenDuringTheStopIsNotSentAgain(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		f.waits("a", 50)
		ctx, cancel := context.WithCancel(t.Context())
		c.send = func(ctx context.Context, _ *Message) error {
			cancel()
			pass(time.Second) // the service answers later
			return ctx.Err()
		}
		o := Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}}
		r, err := New(f, o)
		if err != nil {
			t.Fatal(err)
		}
		r.Run(ctx)
		c.send = nil
		start(t, f, o)
		pass(5 * time.Minute)
		if n := one(t, c); n.State != StateFiring {
			t.Errorf("%+v", n)
		}
	})
}

// A process that was paused does not go on with what it knew before another process had the lease.
func TestPausedProcessDoesNotTakeTheLeaseBack(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f := newFakeStore()
		r, err := New(f, Options{Rules: []Rule{depth()}, Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}}}})
		if err != nil {
			t.Fatal(err)
		}
		if held, _ := f.HoldAlerts(t.Context(), r.owner, lease); !held {
			t.Fatal("not held")
		}
		f.change(func() { f.owner = "" }) // another process has had it, and has ended
		ctx, stop := context.WithCancel(t.Context())
		r.renew(ctx, stop)
		if ctx.Err() == nil || f.owner != "" {
			t.Errorf("the lease is of %q", f.owner)
		}
	})
}

// An error that is not about the message keeps it: a person can correct a login or an address.
func TestMessageIsKeptUntilTheServiceWorks(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		begin := time.Now()
		c.send = func(context.Context, *Message) error {
			if time.Since(begin) < 3*time.Hour {
				return &SendError{Err: errors.New("the answer is 404")}
			}
			return nil
		}
		f.waits("a", 50)
		start(t, f, Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		pass(3*time.Hour + 6*time.Minute)
		one(t, c)
	})
}

// A user without the rights ends the rules at once. Rights that are lost later may return.
func TestMissingRightEndsTheRulesAtTheStartOnly(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		o := Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}}
		for _, wrong := range []error{task.ErrDenied, &task.SchemaError{Pool: "media", Has: "1", Knows: "2"}} {
			f.change(func() { f.err = wrong })
			r, err := New(f, o)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err := r.Run(t.Context()); !errors.Is(err, wrong) || time.Since(begin) > 0 {
				t.Errorf("the rules end after %v with %v, want %v", time.Since(begin), err, wrong)
			}
		}
		f.change(func() { f.err = nil })
		log := &lines{}
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
		start(t, f, o)
		pass(time.Minute)
		f.change(func() { f.err = task.ErrDenied })
		pass(10 * time.Minute)
		f.change(func() { f.err = nil; f.set("a", 50) })
		pass(time.Minute)
		one(t, c)
		if n := log.count("permission denied"); n < 1 || n > 12 {
			t.Errorf("ten minutes without rights are %d lines in the log", n)
		}
	})
}

// If the data of a rule cannot be read, one record of the log says so.
func TestEvaluationThatFailsIsLoggedOnce(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, log := newFakeStore(), &lines{}
		f.failReplicas = errors.New("a key of another type")
		start(t, f, Options{Rules: []Rule{{Name: "few", When: Replicas}}, Logger: slog.New(slog.NewTextHandler(log, nil)),
			Receivers: map[string]Receiver{"ops": {Channel: &fakeChannel{}}}})
		pass(10 * time.Minute)
		f.change(func() { f.failReplicas = nil })
		pass(time.Minute)
		if n := log.count("a key of another type"); n != 1 || log.count("can be evaluated again") != 1 {
			t.Errorf("%d lines in the log", n)
		}
	})
}

// lines are the lines of a log.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(line))
	return len(line), nil
}

func (l *lines) count(part string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}
