//go:build unix

package command

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/worker"
)

// singleTaskStore is a store with one task, which its replica holds for as long as the
// test wants.
type singleTaskStore struct {
	worker.Store
	signals chan struct{} // signals the replica

	mu      sync.Mutex
	given   bool
	verdict task.Verdict // of every renewal
	stops   []task.Attempt
}

const oneFence = 7

// answer sets the answers of the store and signals the replica.
func (s *singleTaskStore) answer(v task.Verdict, stops ...task.Attempt) {
	s.mu.Lock()
	s.verdict, s.stops = v, stops
	s.mu.Unlock()
	s.signals <- struct{}{}
}

func (s *singleTaskStore) Join(context.Context, task.Registration) ([]string, error) { return nil, nil }

func (s *singleTaskStore) Exchange(_ context.Context, x task.Exchange) (got task.Exchanged, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range x.Reports {
		got.Verdicts = append(got.Verdicts, task.Accepted)
	}
	for _, c := range x.Claims {
		got.Short = append(got.Short, true)
		if !s.given {
			s.given = true
			got.Claimed = []task.Claimed{{Queue: c.Queue, Fence: oneFence, Left: task.Forever, Tasks: []*task.Task{newTask("")}}}
		}
	}
	got.Stops = s.stops
	return got, nil
}

func (s *singleTaskStore) Renew(_ context.Context, r task.Renewal) (task.Renewed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdicts := make([]task.Verdict, len(r.Held))
	for i := range verdicts {
		verdicts[i] = s.verdict
	}
	return task.Renewed{Verdicts: verdicts, Stops: s.stops}, nil
}

func (s *singleTaskStore) Listen(ctx context.Context, _ string, wait time.Duration) (task.Signal, error) {
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-s.signals:
		return task.Signal{Check: true}, nil
	case <-late.C:
		return task.Signal{}, nil
	case <-ctx.Done():
		return task.Signal{}, ctx.Err()
	}
}

func (s *singleTaskStore) Wake(ctx context.Context, _ string) error {
	select {
	case s.signals <- struct{}{}:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *singleTaskStore) AwaitInbox(ctx context.Context, _ time.Duration) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func (s *singleTaskStore) AwaitReports(ctx context.Context, _ time.Duration) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func (s *singleTaskStore) Maintain(context.Context, string) (task.Maintenance, error) {
	return task.Maintenance{}, nil
}

func (s *singleTaskStore) Leave(context.Context, string) error { return nil }

func TestLostLeaseEndsTheGracePeriod(t *testing.T) {
	t.Parallel()
	f := newFifo(t)
	cfg := shell(`exec 3>"$FIFO"; trap 'echo asked >&3' TERM; echo ready >&3; while :; do sleep 0.01; done`)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, time.Hour
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan attempt, 1)
	s := &singleTaskStore{signals: make(chan struct{}, 1), verdict: task.Kept}
	r, err := worker.New(s, worker.Config{
		Queues:    map[string]task.QueueConfig{"slow": {Workers: 1}},
		Lease:     time.Hour,
		StopGrace: time.Hour,
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Handle("video.cut", func(ctx context.Context, t *task.Task) ([]byte, error) {
		result, err := h(ctx, t)
		ended <- attempt{result: result, err: err}
		return result, err
	})
	ctx, end := context.WithCancel(t.Context())
	defer end()
	run := make(chan error, 1)
	go func() { run <- r.Run(ctx) }()

	want := func(line string) {
		if got := f.line(t); got != line {
			t.Fatalf("%q, want %q", got, line)
		}
	}
	want("ready")
	s.answer(task.Kept, task.Attempt{ID: "t-1", Fence: oneFence})
	want("asked")
	s.answer(task.LeaseLost)
	f.gone(t)
	if a := finish(t, ended); !errors.Is(a.err, task.ErrStopped) || !strings.Contains(a.err.Error(), "signal: killed") {
		t.Error(a.err)
	}
	end()
	if err := <-run; err != nil {
		t.Error(err)
	}
}
