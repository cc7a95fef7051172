package worker

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestHealthReportsAnOutage(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
		if h := tr.r.Health(); h.Joined || h.Failing != 0 {
			t.Errorf("before Run: %+v", h)
		}
		tr.run()
		tr.store.setFault(func(string) fault { return fail })
		tr.advance(time.Minute)
		if h := tr.r.Health(); !h.Joined || h.Failing < 30*time.Second {
			t.Errorf("in an outage: %+v", h)
		}
		tr.store.setFault(func(string) fault { return none })
		tr.advance(5 * time.Second)
		if h := tr.r.Health(); h.Failing != 0 {
			t.Errorf("after it: %+v", h)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

func TestHealthReportsOutagesDuringADrain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Lease: time.Hour, DrainTimeout: 24 * time.Hour})
		h, free := ignoresContext()
		tr.r.Handle("job", h)
		tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: task.Forever})
		tr.run()
		tr.store.setFault(func(string) fault { return fail })
		tr.advance(time.Minute)
		tr.cancel()
		for n := 1; n <= 2; n++ {
			tr.store.setFault(func(string) fault { return fail })
			tr.advance(time.Minute)
			if h := tr.r.Health(); !h.Draining || h.Failing < 30*time.Second {
				t.Errorf("in outage %d: %+v", n, h)
			}
			tr.store.setFault(func(string) fault { return none })
			tr.advance(5 * time.Second)
			if h := tr.r.Health(); h.Failing != 0 {
				t.Errorf("after outage %d: %+v", n, h)
			}
			if began, over := tr.log.count("calls to the store fail"), tr.log.count("the store works again"); began != n || over != n {
				t.Errorf("after outage %d: %d lines for the beginning, %d for the end", n, began, over)
			}
		}
		free()
		<-tr.done
	})
}

// A draining replica makes no more calls for the inbox and the maintenance.
func TestCallsEndedByADrainNeitherFailNorRecover(t *testing.T) {
	for _, ops := range [][]string{{"await inbox"}, {"admit inbox"}, {"maintain"}, {"await inbox", "admit inbox", "maintain"}} {
		t.Run(strings.Join(ops, ", "), func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{DrainTimeout: 24 * time.Hour})
				h, free := ignoresContext()
				tr.r.Handle("job", h)
				tr.store.put(task.Spec{ID: "x", Kind: "job", Timeout: task.Forever})
				tr.run()
				tr.store.setFault(func(op string) fault {
					if slices.Contains(ops, op) {
						return fail
					}
					return none
				})
				tr.store.push(task.Spec{ID: "y", Kind: "job"})
				tr.advance(time.Minute)
				if h := tr.r.Health(); h.Failing < 30*time.Second {
					t.Errorf("before the drain: %+v", h)
				}
				tr.cancel()
				tr.advance(time.Second)
				if h := tr.r.Health(); !h.Draining || h.Failing != 0 {
					t.Errorf("in the drain: %+v", h)
				}
				tr.advance(time.Hour)
				if n := tr.log.count("the store works again"); n != 0 {
					t.Errorf("%d log lines that the store works: %v", n, tr.log.lines)
				}
				free()
				<-tr.done
			})
		})
	}
}

func TestHealthReportsNoOutageAfterTheEnd(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{})
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.setFault(func(string) fault { return fail })
		tr.advance(time.Minute)
		tr.shutDown()
		tr.advance(time.Minute)
		if h := tr.r.Health(); h.Failing != 0 {
			t.Errorf("%+v", h)
		}
	})
}
