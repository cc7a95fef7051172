package pool

import (
	"bytes"
	"context"
	"io"
	"iter"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// fakeStore implements the part of Store that the tests need. Other methods panic.
type fakeStore struct {
	Store

	// If set, each replaces or precedes the method of its name.
	enqueue    func(context.Context, []task.Spec) ([]task.Receipt, error)
	beforeGet  func()
	readErr    func() error // of ReadEvents and ReadSubscription
	lastErr    func() error
	getErr     func() error
	recentErr  func() error
	changed    func(verb string, ids []string) ([]task.Change, error)
	configured func(task.Setting) error
	maintain   func(replica string) (task.Maintenance, error)

	mu        sync.Mutex
	count     map[string]int
	tasks     []*task.Task
	entries   [][]Event // entries with the cursors 1, 2, 3 …
	maxEvents int       // returned by SubscriptionLag
	trimmed   int       // number of oldest entries that were trimmed
	updates   chan struct{}

	groups map[string]*fakeGroup
}

type fakeGroup struct {
	next    int // index into entries
	pending map[string]*fakePending
	left    []string
}

type fakePending struct {
	entry    []Event
	consumer string
	since    time.Time
}

func newFakeStore() *fakeStore {
	return &fakeStore{count: map[string]int{}, updates: make(chan struct{}), groups: map[string]*fakeGroup{}}
}

func newTestPool(t testing.TB, s Store, cfg Config) *Pool {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	p, err := New(s, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.ends.close)
	return p
}

func (s *fakeStore) called(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count[name]++
}

func (s *fakeStore) calls(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[name]
}

func (s *fakeStore) Enqueue(ctx context.Context, specs []task.Spec) ([]task.Receipt, error) {
	s.called("enqueue")
	if s.enqueue != nil {
		return s.enqueue(ctx, specs)
	}
	return receiptsFor(specs), nil
}

func receiptsFor(specs []task.Spec) []task.Receipt {
	r := make([]task.Receipt, len(specs))
	for i, s := range specs {
		r[i] = task.Receipt{ID: s.ID, State: task.Waiting}
	}
	return r
}

// put stores t under its id.
func (s *fakeStore) put(t *task.Task) {
	s.remove(t.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks = append(s.tasks, t)
}

func (s *fakeStore) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rest []*task.Task
	for _, t := range s.tasks {
		if t.ID != id {
			rest = append(rest, t)
		}
	}
	s.tasks = rest
}

// emit appends events to the stream, each as an entry of its own.
func (s *fakeStore) emit(events ...Event) {
	entries := make([][]Event, len(events))
	for i, e := range events {
		entries[i] = []Event{e}
	}
	s.appendEntries(entries...)
}

// emitEntry appends events to the stream as one entry.
func (s *fakeStore) emitEntry(events ...Event) { s.appendEntries(events) }

// appendEntries appends entries to the stream in one step, so that no reader gets a part of them.
func (s *fakeStore) appendEntries(entries ...[]Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, events := range entries {
		for i := range events {
			events[i].Cursor = strconv.Itoa(len(s.entries) + 1)
		}
		s.entries = append(s.entries, events)
	}
	close(s.updates)
	s.updates = make(chan struct{})
}

// trim removes the oldest entries up to a total of n.
func (s *fakeStore) trim(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trimmed = n
}

func (s *fakeStore) Get(_ context.Context, ids ...string) ([]*task.Task, error) {
	s.called("get")
	if s.beforeGet != nil {
		s.beforeGet()
	}
	if s.getErr != nil {
		if err := s.getErr(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make([]*task.Task, len(ids))
	for i, id := range ids {
		for _, t := range s.tasks {
			if t.ID == id {
				c := *t
				found[i] = &c
			}
		}
	}
	return found, nil
}

func (s *fakeStore) Tasks(_ context.Context, f task.Filter) iter.Seq2[*task.Task, error] {
	s.called("tasks")
	has := func(all []string, v string) bool {
		for _, a := range all {
			if a == v {
				return true
			}
		}
		return len(all) == 0
	}
	return func(yield func(*task.Task, error) bool) {
		s.mu.Lock()
		tasks := s.tasks
		s.mu.Unlock()
		var states []string
		for _, st := range f.States {
			states = append(states, string(st))
		}
		for _, t := range tasks {
			if has(f.IDs, t.ID) && has(states, string(t.State)) && has(f.Kinds, t.Kind) && has(f.Queues, t.Queue) && has(f.Groups, t.Group) {
				if !yield(t, nil) {
					return
				}
			}
		}
	}
}

func (s *fakeStore) Stop(_ context.Context, why string, ids ...string) ([]task.Change, error) {
	return s.changed("stop "+why, ids)
}

func (s *fakeStore) Retry(_ context.Context, _ task.Edit, ids ...string) ([]task.Change, error) {
	return s.changed("retry", ids)
}

func (s *fakeStore) RunNow(_ context.Context, ids ...string) ([]task.Change, error) {
	return s.changed("run now", ids)
}

func (s *fakeStore) ByUnique(_ context.Context, key string) (*task.Task, error) {
	s.called("by unique " + key)
	return nil, nil
}

func (s *fakeStore) Change(_ context.Context, _ task.Edit, ids ...string) ([]task.Change, error) {
	return s.changed("change", ids)
}

func (s *fakeStore) Delete(_ context.Context, ids ...string) ([]task.Change, error) {
	return s.changed("delete", ids)
}

func (s *fakeStore) Configure(_ context.Context, settings ...task.Setting) error {
	for _, set := range settings {
		if err := s.configured(set); err != nil {
			return err
		}
	}
	return nil
}

// advance lets time pass in a synctest bubble and waits until all goroutines are idle.
func advance(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// goroutines counts the goroutines that the methods of this package started.
func goroutines() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return bytes.Count(stacks, []byte("created by github.com/ltsworker/ltsworker/pool.(*"))
}
