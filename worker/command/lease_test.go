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

	"github.com/ltsworker/ltsworker/worker"
)

// oneTask is a store with one task, which its replica holds for as long as the
// test wants it to.
type oneTask struct {
	worker.Store
	ring chan struct{} // rings the replica's doorbell

	mu      sync.Mutex
	given   bool
	verdict worker.Verdict // on every renewal
}

// answer sets the verdict on renewals and asks for one.
func (s *oneTask) answer(v worker.Verdict) {
	s.mu.Lock()
	s.verdict = v
	s.mu.Unlock()
	s.ring <- struct{}{}
}

func (s *oneTask) Join(context.Context, worker.Registration) ([]string, error) { return nil, nil }

func (s *oneTask) Exchange(_ context.Context, reports []worker.Report, claims []worker.Claim) ([]worker.Verdict, []worker.Claimed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdicts, claimed := make([]worker.Verdict, len(reports)), make([]worker.Claimed, len(claims))
	for i := range verdicts {
		verdicts[i] = worker.Accepted
	}
	if len(claims) > 0 && !s.given {
		t := task("")
		t.TimeLeft = worker.Forever
		claimed[0].Tasks, s.given = []*worker.Task{t}, true
	}
	return verdicts, claimed, nil
}

func (s *oneTask) Renew(_ context.Context, r worker.Renewal) ([]worker.Verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	verdicts := make([]worker.Verdict, len(r.Held))
	for i := range verdicts {
		verdicts[i] = s.verdict
	}
	return verdicts, nil
}

func (s *oneTask) Listen(ctx context.Context, _ string, _ []string, wait time.Duration) (worker.Signal, error) {
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-s.ring:
		return worker.Signal{Bell: true}, nil
	case <-late.C:
		return worker.Signal{}, nil
	case <-ctx.Done():
		return worker.Signal{}, ctx.Err()
	}
}

func (s *oneTask) Ring(ctx context.Context, _ string) error {
	select {
	case s.ring <- struct{}{}:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (s *oneTask) AwaitInbox(ctx context.Context, _ time.Duration) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func (s *oneTask) Wake(context.Context, string) error { return nil }

func (s *oneTask) Maintain(context.Context, string) (worker.Upkeep, error) {
	return worker.Upkeep{}, nil
}

func (s *oneTask) Leave(context.Context, string) error { return nil }

func TestALostLeaseKillsACommandThatHasItsGraceAlready(t *testing.T) {
	f := newFifo(t)
	cfg := shell(`exec 3>"$FIFO"; trap 'echo asked >&3' TERM; echo ready >&3; while :; do sleep 0.01; done`)
	cfg.Env, cfg.Grace = []string{"FIFO=" + f.path}, time.Hour
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan attempt, 1)
	s := &oneTask{ring: make(chan struct{}, 1), verdict: worker.Kept}
	r, err := worker.New(s, worker.Config{
		Queues:    map[string]worker.QueueConfig{"slow": {Workers: 1}},
		Lease:     time.Hour,
		StopGrace: time.Hour,
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Handle("video.cut", func(ctx context.Context, t *worker.Task) ([]byte, error) {
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
	s.answer(worker.StopRequested)
	want("asked")
	s.answer(worker.LeaseLost)
	f.gone(t)
	if a := finish(t, ended); !errors.Is(a.err, worker.ErrStopped) || !strings.Contains(a.err.Error(), "signal: killed") {
		t.Error(a.err)
	}
	end()
	if err := <-run; err != nil {
		t.Error(err)
	}
}
