package archive

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A hookedSource calls a function before events are read.
type hookedSource struct {
	Source
	hook func()
}

func (h *hookedSource) ReadEvents(ctx context.Context, after string, limit int, wait time.Duration) ([]task.Event, error) {
	h.hook()
	return h.Source.ReadEvents(ctx, after, limit, wait)
}

// Redis loses everything while an archiver follows the pool. The first events after it come
// when the archiver has seen the empty stream and waits for events.
func TestAStreamThatIsMadeAgainWhileItIsFollowedIsAGap(t *testing.T) {
	s := newSite(t)
	db := open(t, t.TempDir()+"/a.db")
	s.enqueue(task.Spec{ID: "lost", Kind: "ok", Delay: time.Hour})
	run := func(source Source) {
		t.Helper()
		a, err := New(db, source, Config{Pool: s.pool, Once: true})
		if err == nil {
			err = a.Run(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run(s.store)
	s.server.Flush(t)
	run(&hookedSource{s.store, sync.OnceFunc(func() { s.enqueue(task.Spec{ID: "new", Kind: "ok", Delay: time.Hour}) })})
	if r := s.get(db, "lost")[0]; r.State != Unknown {
		t.Errorf("a task that Redis has lost is %s", r.State)
	}
	if r := s.get(db, "new")[0]; r.State != task.Scheduled || !r.CreatedKnown {
		t.Errorf("%+v", r.Task)
	}
	stats, err := db.Stats(t.Context(), s.pool, time.Time{})
	if err != nil || len(stats.Gaps) != 2 || stats.Gaps[0].Reason != GapRewound || stats.Gaps[0].Unknown != 1 {
		t.Errorf("%+v, %v", stats.Gaps, err)
	}
}
