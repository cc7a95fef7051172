package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

// hookRecorder records the calls of hooks. It fails the test if two run at once.
type hookRecorder struct {
	t    *testing.T
	mu   sync.Mutex
	busy bool
	seen []string
	took time.Duration // of each call
}

func (h *hookRecorder) call(text string) {
	h.mu.Lock()
	if h.busy {
		h.t.Error("two hooks run at once")
	}
	h.busy = true
	h.seen = append(h.seen, text)
	h.mu.Unlock()
	time.Sleep(h.took)
	h.mu.Lock()
	h.busy = false
	h.mu.Unlock()
}

func (h *hookRecorder) config(cfg Config) Config {
	cfg.OnConnect = func() { h.call("connect") }
	cfg.OnDisconnect = func(err error) { h.call("disconnect: " + err.Error()) }
	cfg.OnLeaseLost = func(t *task.Task) { h.call("lost " + t.ID) }
	return cfg
}

func (h *hookRecorder) want(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(want, h.seen); diff != "" {
		h.t.Error(diff)
	}
}

func TestHooksReportConnectionsAndLostLeasesInOrder(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		h := &hookRecorder{t: t, took: 10 * time.Millisecond}
		tr := newTestReplica(t, h.config(Config{Lease: 3 * time.Second}))
		tr.r.Handle("job", untilCancelled)
		tr.store.put(task.Spec{ID: "a", Kind: "job"})
		tr.run()
		tr.advance(time.Second)
		h.want("connect")
		for range 2 {
			tr.store.setFault(func(string) fault { return fail })
			tr.advance(5 * time.Second)
			tr.store.setFault(func(string) fault { return none })
			tr.advance(15 * time.Second)
		}
		down := "disconnect: " + errDown.Error()
		h.want("connect", down, "lost a", "connect", down, "lost a", "connect")
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		h.want("connect", down, "lost a", "connect", down, "lost a", "connect")
	})
}

// A hook that never returns, or that takes long, delays no task, no renewal and not the end of
// Run.
func TestSlowHookDelaysNothing(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := newTestReplica(t, Config{Lease: 3 * time.Second, OnConnect: func() { <-release }})
		tr.r.Handle("job", noop)
		tr.store.put(task.Spec{ID: "a", Kind: "job"})
		tr.run()
		tr.advance(10 * time.Second)
		tr.wantState("a", task.Succeeded, task.CodeOK)
		if len(tr.store.renewals) < 8 {
			t.Errorf("it made %d renewals", len(tr.store.renewals))
		}
		began := time.Now()
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > hookTimeout+100*time.Millisecond {
			t.Errorf("Run took %v to end", took)
		}
		if tr.log.count("a hook has not returned") != 1 {
			t.Errorf("the log is %q", tr.log.lines)
		}
		close(release)
		synctest.Wait()
	})
}

func TestPanicOfAHookIsLoggedAndTheNextOnesAreCalled(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		h := &hookRecorder{t: t}
		cfg := h.config(Config{Lease: 3 * time.Second})
		cfg.OnDisconnect = func(error) { panic("boom") }
		tr := newTestReplica(t, cfg)
		tr.r.Handle("job", noop)
		tr.run()
		tr.store.setFault(func(string) fault { return fail })
		tr.advance(5 * time.Second)
		tr.store.setFault(func(string) fault { return none })
		tr.advance(15 * time.Second)
		h.want("connect", "connect")
		if tr.log.count("a hook panicked hook=OnDisconnect panic=boom") != 1 {
			t.Errorf("the log is %q", tr.log.lines)
		}
		if err := tr.shutDown(); err != nil {
			t.Error(err)
		}
	})
}

// Calls wait in a bounded list: the newest lost leases are dropped, and changes of the
// connection cancel each other out.
func TestWaitingHooksAreBounded(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		h := &hookRecorder{t: t}
		tr := newTestReplica(t, h.config(Config{}))
		hooks := &tr.r.hooks
		for i := range maxLosses + 5 {
			hooks.leaseLost(&task.Task{Spec: task.Spec{ID: fmt.Sprint(i)}})
		}
		for range 1000 {
			hooks.connected()
			hooks.connected()
			hooks.disconnected(errors.New("down"))
		}
		hooks.connected()
		if n := len(hooks.calls); n > maxLosses+maxChanges {
			t.Errorf("%d calls wait", n)
		}
		stop := hooks.start()
		stop()
		lost := slices.DeleteFunc(slices.Clone(h.seen), func(s string) bool { return !strings.HasPrefix(s, "lost ") })
		changes := h.seen[len(lost):]
		if len(lost) != maxLosses || lost[0] != "lost 0" || tr.log.count("calls of OnLeaseLost were dropped") != 1 {
			t.Errorf("%d calls of OnLeaseLost, the log is %q", len(lost), tr.log.lines)
		}
		for i, s := range changes {
			if want := []string{"connect", "disconnect: down"}[i%2]; s != want {
				t.Fatalf("change %d is %q", i, s)
			}
		}
		if n := len(changes); n < maxChanges-1 || changes[n-1] != "connect" {
			t.Errorf("%d changes, the last is not the current state", n)
		}
	})
}
