package alert

import (
	"context"
	"errors"
	"fmt"
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
