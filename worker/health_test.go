package worker

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestHealthTellsOfAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
		if h := g.r.Health(); h.Joined || h.Failing != 0 {
			t.Errorf("before Run: %+v", h)
		}
		g.run()
		g.store.setFault(func(string) fault { return fail })
		g.pass(time.Minute)
		if h := g.r.Health(); !h.Joined || h.Failing < 30*time.Second {
			t.Errorf("in an outage: %+v", h)
		}
		g.store.setFault(func(string) fault { return none })
		g.pass(5 * time.Second)
		if h := g.r.Health(); h.Failing != 0 {
			t.Errorf("after it: %+v", h)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestHealthTellsOfEveryOutageOfADrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{Lease: time.Hour, DrainTimeout: 24 * time.Hour})
		h, free := stubborn()
		g.r.Handle("job", h)
		g.store.put(task.Spec{ID: "x", Kind: "job", Timeout: task.Forever})
		g.run()
		g.store.setFault(func(string) fault { return fail })
		g.pass(time.Minute)
		g.cancel()
		for n := 1; n <= 2; n++ {
			g.store.setFault(func(string) fault { return fail })
			g.pass(time.Minute)
			if h := g.r.Health(); !h.Draining || h.Failing < 30*time.Second {
				t.Errorf("in outage %d: %+v", n, h)
			}
			g.store.setFault(func(string) fault { return none })
			g.pass(5 * time.Second)
			if h := g.r.Health(); h.Failing != 0 {
				t.Errorf("after outage %d: %+v", n, h)
			}
			if began, over := g.log.count("calls to the store fail"), g.log.count("the store works again"); began != n || over != n {
				t.Errorf("after outage %d: %d lines for the beginning, %d for the end", n, began, over)
			}
		}
		free()
		<-g.done
	})
}

// The inbox and the maintenance are nobody's business any more once the drain has begun.
func TestWhatADrainEndsFailsNoLongerAndIsNotSaidToWork(t *testing.T) {
	for _, ops := range [][]string{{"await inbox"}, {"admit inbox"}, {"maintain"}, {"await inbox", "admit inbox", "maintain"}} {
		t.Run(strings.Join(ops, ", "), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := newRig(t, Config{DrainTimeout: 24 * time.Hour})
				h, free := stubborn()
				g.r.Handle("job", h)
				g.store.put(task.Spec{ID: "x", Kind: "job", Timeout: task.Forever})
				g.run()
				g.store.setFault(func(op string) fault {
					if slices.Contains(ops, op) {
						return fail
					}
					return none
				})
				g.store.push(task.Spec{ID: "y", Kind: "job"})
				g.pass(time.Minute)
				if h := g.r.Health(); h.Failing < 30*time.Second {
					t.Errorf("before the drain: %+v", h)
				}
				g.cancel()
				g.pass(time.Second)
				if h := g.r.Health(); !h.Draining || h.Failing != 0 {
					t.Errorf("in the drain: %+v", h)
				}
				g.pass(time.Hour)
				if n := g.log.count("the store works again"); n != 0 {
					t.Errorf("the log says %d times that the store works: %v", n, g.log.lines)
				}
				free()
				<-g.done
			})
		})
	}
}

func TestHealthOfAReplicaThatHasEndedTellsOfNoOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", noop)
		g.run()
		g.store.setFault(func(string) fault { return fail })
		g.pass(time.Minute)
		g.end()
		g.pass(time.Minute)
		if h := g.r.Health(); h.Failing != 0 {
			t.Errorf("%+v", h)
		}
	})
}
