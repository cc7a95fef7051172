package integration

import (
	"context"
	"sync"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
)

// gauge counts how many handlers are between their entry and their exit.
type gauge struct {
	mu       sync.Mutex
	now, top int
	starts   int
}

func (g *gauge) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now++
	g.starts++
	g.top = max(g.top, g.now)
}

func (g *gauge) exit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now--
}

func (g *gauge) read() (now, top, starts int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now, g.top, g.starts
}

// life is the events of one task in the order of the stream.
type life []pool.Event

// events reads the whole event stream.
func (s *site) events() []pool.Event {
	s.t.Helper()
	st := s.store()
	var all []pool.Event
	for at := "0"; ; {
		page, err := st.ReadEvents(context.Background(), at, 10_000, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		at = page[len(page)-1].Cursor
	}
}

// history reads the whole event stream and groups it by task.
func (s *site) history() map[string]life {
	s.t.Helper()
	lives := map[string]life{}
	for _, e := range s.events() {
		lives[e.ID] = append(lives[e.ID], e)
	}
	return lives
}

// check reports what is wrong with a task's life according to its events:
// versions or attempts that do not grow one by one, and events after the end.
// The tests that call it retry no ended task.
func (l life) check(t testing.TB) {
	t.Helper()
	id, attempt := l[0].ID, int64(0)
	for i, e := range l {
		if e.Version != int64(i+1) {
			t.Errorf("task %s: event %d has version %d: %v", id, i, e.Version, l)
			return
		}
		if e.State == pool.Running && e.Code == "" {
			if e.Attempt != attempt+1 {
				t.Errorf("task %s: attempt %d was claimed after attempt %d", id, e.Attempt, attempt)
			}
			attempt = e.Attempt
		}
		if i > 0 && l[i-1].State.Terminal() {
			t.Errorf("task %s: event %s after the end %s", id, e.State, l[i-1].State)
		}
	}
}

// ends counts the terminal events.
func (l life) ends() int {
	n := 0
	for _, e := range l {
		if e.State.Terminal() {
			n++
		}
	}
	return n
}

// count returns how many events have the state and the code.
func (l life) count(state pool.State, code pool.Code) int {
	n := 0
	for _, e := range l {
		if e.State == state && e.Code == code {
			n++
		}
	}
	return n
}

// oneEndEach checks every life in the stream: in order, with exactly one end.
func (s *site) oneEndEach(tasks int) map[string]life {
	s.t.Helper()
	lives := s.history()
	if len(lives) != tasks {
		s.t.Errorf("the stream has %d tasks, want %d", len(lives), tasks)
	}
	for id, l := range lives {
		l.check(s.t)
		if l.ends() != 1 {
			s.t.Errorf("task %s has %d ends: %v", id, l.ends(), l)
		}
	}
	return lives
}
