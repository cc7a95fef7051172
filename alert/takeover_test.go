package alert

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// robot is a service that takes 20 messages in any minute, and none for ten minutes after more.
type robot struct {
	mu   sync.Mutex
	sent []time.Time
	over int // messages beyond 20 in a minute
}

func (r *robot) take(context.Context, *Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, time.Now())
	n := 0
	for _, at := range r.sent {
		if time.Since(at) < time.Minute {
			n++
		}
	}
	if n > 20 {
		r.over++
		return &SendError{Err: errors.New("too many messages"), After: 10 * time.Minute}
	}
	return nil
}

// named is a channel with an endpoint.
type named struct {
	*fakeChannel
	endpoint string
}

func (c named) Endpoint() string { return c.endpoint }

// forgetPaces makes the process forget what it has sent, as a new process.
func forgetPaces() {
	limitersMu.Lock()
	defer limitersMu.Unlock()
	clear(limiters)
}

// Processes that run the rules of a pool share the pace of a robot: one of them sends at a time, and
// the next one continues with what the store has. Receivers of the same robot share it, too.
func TestTakeOverKeepsThePaceOfARobot(t *testing.T) {
	for name, receivers := range map[string][]string{"one receiver": {"ops"}, "two receivers of a robot": {"en", "zh"}} {
		t.Run(name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				defer forgetPaces()
				f, r := newFakeStore(), &robot{}
				rule := Rule{Name: "depth", When: Waiting, Threshold: 10, Repeat: time.Minute}
				process := func() (stop func()) {
					forgetPaces()
					o := Options{Rules: []Rule{rule}, Interval: time.Second, Receivers: map[string]Receiver{}}
					for _, name := range receivers {
						o.Receivers[name] = Receiver{Channel: named{&fakeChannel{send: r.take}, "robot"}}
					}
					return start(t, f, o)
				}
				stop := process()
				for n := range 120 {
					f.waits(fmt.Sprint("q", n), 50) // a new alert each second
					pass(time.Second)
					if n%10 == 9 { // the process is restarted: it releases the lease
						stop()
						if n == 29 { // this one is killed: its lease ends by itself
							f.change(func() { f.owner, f.until = "killed", time.Now().Add(lease) })
						}
						stop = process()
					}
				}
				stop()
				if r.over > 0 || len(r.sent) < 20 {
					t.Errorf("%d messages in two minutes, %d of them beyond 20 in a minute", len(r.sent), r.over)
				}
			})
		})
	}
}

// Of two processes with the same rules only the one that has the lease sends messages.
func TestOnlyTheProcessWithTheLeaseSends(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f := newFakeStore()
		f.waits("a", 50)
		channels := []*fakeChannel{{}, {}, {}}
		for _, c := range channels {
			start(t, f, Options{Rules: []Rule{now(depth())}, Receivers: map[string]Receiver{"ops": {Channel: c}}})
		}
		pass(5 * time.Minute)
		sent := 0
		for _, c := range channels {
			sent += len(c.messages())
		}
		if sent != 1 {
			t.Errorf("%d messages about one alert", sent)
		}
	})
}
