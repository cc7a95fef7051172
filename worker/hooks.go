package worker

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	// maxLosses is how many calls of OnLeaseLost wait at most; more are dropped and logged.
	maxLosses = 10_000
	// maxChanges is how many calls of OnConnect and OnDisconnect wait at most. More cancel
	// each other out, so that the last call reports the current state.
	maxChanges = 100
	// hookTimeout is how long the end of Run waits for calls.
	hookTimeout = time.Second
)

// hooks calls the functions of the Config that report what happens to the replica. They run in
// one goroutine, in order, so that they delay nothing else and none runs concurrently with
// another.
type hooks struct {
	r    *Replica
	done chan struct{} // closed when the goroutine has ended
	wake chan struct{}

	mu      sync.Mutex
	ended   bool // no more calls are added
	up      bool // the latest change
	calls   []hookCall
	losses  int // in calls
	changes int // in calls
	dropped int // calls of OnLeaseLost since the last log line
}

// hookCall is one call that waits.
type hookCall struct {
	name   string
	change bool // of OnConnect or OnDisconnect
	do     func()
}

// start starts the goroutine if a function is set. stop returns when all calls have been made,
// or after hookTimeout.
func (h *hooks) start() (stop func()) {
	c := &h.r.cfg
	if c.OnConnect == nil && c.OnDisconnect == nil && c.OnLeaseLost == nil {
		return func() {}
	}
	go h.run()
	return func() {
		h.mu.Lock()
		h.ended = true
		h.mu.Unlock()
		wake(h.wake)
		timeout := time.NewTimer(hookTimeout)
		defer timeout.Stop()
		select {
		case <-h.done:
		case <-timeout.C:
			h.r.log().Warn("a hook has not returned; Run ends without it", "waited", hookTimeout)
		}
	}
}

func (h *hooks) run() {
	defer close(h.done)
	for {
		call, dropped, ended := h.next()
		if dropped > 0 {
			h.r.log().Warn("calls of OnLeaseLost were dropped, because earlier ones take too long", "calls", dropped)
		}
		switch {
		case call.do != nil:
			h.call(call)
		case ended:
			return
		default:
			<-h.wake
		}
	}
}

// next takes the oldest call, if there is one.
func (h *hooks) next() (call hookCall, dropped int, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	dropped, h.dropped = h.dropped, 0
	if len(h.calls) == 0 {
		h.calls = nil
		return hookCall{}, dropped, h.ended
	}
	call, h.calls = h.calls[0], h.calls[1:]
	if call.change {
		h.changes--
	} else {
		h.losses--
	}
	return call, dropped, false
}

func (h *hooks) call(c hookCall) {
	defer func() {
		if p := recover(); p != nil {
			h.r.log().Error("a hook panicked", "hook", c.name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	c.do()
}

// connected adds a call of OnConnect, unless the replica counts as connected.
func (h *hooks) connected() {
	do := h.r.cfg.OnConnect
	h.change(true, hookCall{name: "OnConnect", change: true, do: func() {
		if do != nil {
			do()
		}
	}})
}

// disconnected adds a call of OnDisconnect, unless the replica does not count as connected.
func (h *hooks) disconnected(err error) {
	do := h.r.cfg.OnDisconnect
	h.change(false, hookCall{name: "OnDisconnect", change: true, do: func() {
		if do != nil {
			do(err)
		}
	}})
}

func (h *hooks) change(up bool, call hookCall) {
	if c := &h.r.cfg; c.OnConnect == nil && c.OnDisconnect == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.up == up || h.ended {
		return
	}
	h.up = up
	if h.changes == maxChanges {
		h.cancelChange()
		return
	}
	h.changes++
	h.add(call)
}

// cancelChange removes the latest change, which the current one takes back. The caller holds
// the mutex.
func (h *hooks) cancelChange() {
	for i := len(h.calls) - 1; i >= 0; i-- {
		if h.calls[i].change {
			h.calls = append(h.calls[:i:i], h.calls[i+1:]...)
			h.changes--
			return
		}
	}
}

// leaseLost adds a call of OnLeaseLost.
func (h *hooks) leaseLost(t *task.Task) {
	do := h.r.cfg.OnLeaseLost
	if do == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended:
	case h.losses == maxLosses:
		h.dropped++
	default:
		h.losses++
		h.add(hookCall{name: "OnLeaseLost", do: func() { do(t) }})
	}
}

// add adds a call. The caller holds the mutex.
func (h *hooks) add(call hookCall) {
	h.calls = append(h.calls, call)
	wake(h.wake)
}
