package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// outsideSince waits until a task is outside and returns it.
func outsideSince(t *testing.T, c *pool.Pool, id string) *task.Task {
	t.Helper()
	var found *task.Task
	eventually(t, patience, id+" is outside", func() bool {
		tk, err := c.Get(context.Background(), id)
		found = tk
		return err == nil && !tk.OutsideUntil.IsZero()
	})
	return found
}

// A replica detaches a task and is killed. The task keeps its place under the limit of its queue,
// is not lost, and ends by a report of another process: by a call, or by an entry that it pushes
// while no replica is alive.
func TestTaskOutsideOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	for how, report := range map[string]func(f *fleet, c *pool.Pool, token string) error{
		"call": func(_ *fleet, c *pool.Pool, token string) error {
			return c.Report(t.Context(), token, pool.OutsideReport{State: pool.ReportSucceeded, Result: []byte("7")})
		},
		"list": func(f *fleet, _ *pool.Pool, token string) error {
			return f.rdb.RPush(t.Context(), f.key("reports"), `{"token":"`+token+`","state":"succeeded","result":7}`).Err()
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, longLease, 2, 1)
			c := f.client()
			first := f.fleetOf(1)[0]
			file := filepath.Join(t.TempDir(), "token")
			id := enqueue(t, c, pool.Spec{Kind: kindDetach, Payload: []byte(file), MaxAttempts: 1, Retain: new(time.Hour)})
			next := enqueue(t, c, pool.Spec{Kind: kindWork, Payload: []byte("0"), Retain: new(time.Hour)})
			before := outsideSince(t, c, id)
			first.kill()
			f.endLeases(before.Replica)
			token, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if how == "call" {
				f.fleetOf(1)
			}
			st := stats(t, c)
			if now, err := c.Get(t.Context(), id); err != nil || now.State != pool.Running || now.Fence != before.Fence || st.Running != 1 || st.Outside != 1 || st.LeasesLost != 0 {
				t.Errorf("%+v, %v; %d running, %d outside, %d lost", now, err, st.Running, st.Outside, st.LeasesLost)
			}
			if waits, err := c.Get(t.Context(), next); err != nil || waits.State != pool.Waiting {
				t.Errorf("the next task under a limit of 1: %+v, %v", waits, err)
			}
			if err := report(f, c, string(token)); err != nil {
				t.Fatal(err)
			}
			if how == "list" {
				f.fleetOf(1)
			}
			if got := await(t, c, id); got.State != pool.Succeeded || string(got.Result) != "7" || got.Attempt != 1 {
				t.Errorf("%+v", got)
			}
			await(t, c, next)
		})
	}
}

// endsOf returns the terminal events by task.
func endsOf(t *testing.T, s *site) map[string][]pool.Event {
	t.Helper()
	ends := map[string][]pool.Event{}
	for after := "0"; ; {
		page, err := s.store().ReadEvents(t.Context(), after, 1000, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return ends
		}
		for _, e := range page {
			if after = e.Cursor; e.State.Terminal() {
				ends[e.ID] = append(ends[e.ID], e)
			}
		}
	}
}

// A report may arrive before, while and after the replica detaches the attempt. It is accepted and
// decides the task in each case.
func TestReportThatRacesWithTheDetachWins(t *testing.T) {
	t.Parallel()
	tasks := volume(400, 4000)
	s := newSite(t)
	c := s.client()
	var reports sync.WaitGroup
	p := s.pool(slots(50))
	p.HandleKind("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		token, err := tk.ReportToken(ctx)
		if err != nil {
			return nil, err
		}
		reports.Go(func() {
			r := pool.OutsideReport{State: pool.ReportSucceeded, Result: fmt.Appendf(nil, "%q", tk.ID)}
			if err := c.Report(context.Background(), token, r); err != nil {
				t.Errorf("%s: %v", tk.ID, err)
			}
		})
		return nil, pool.Detach(time.Hour)
	})
	s.serve(p)
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{ID: fmt.Sprint("t", i), Kind: "job", MaxAttempts: 1}
	}
	enqueueAll(t, c, specs)
	st := idle(t, c)
	reports.Wait()
	if st.Ended[pool.Succeeded] != int64(tasks) || st.Outside != 0 {
		t.Errorf("ends %v, %d outside", st.Ended, st.Outside)
	}
	for id, ends := range endsOf(t, s) {
		if len(ends) != 1 || string(ends[0].Result) != `"`+id+`"` {
			t.Errorf("%s: %+v", id, ends)
		}
	}
}

// Tasks outside get a report, a stop and the end of their time at once. Each ends once, and a
// report that was accepted decides how.
func TestReportStopAndTimeoutOfATaskOutsideHaveOneOutcome(t *testing.T) {
	t.Parallel()
	tasks := volume(200, 2000)
	s := newSite(t)
	c := s.client()
	tokens := make(chan [2]string, tasks)
	p := s.pool(slots(50))
	p.HandleKind("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		token, err := tk.ReportToken(ctx)
		if err != nil {
			return nil, err
		}
		tokens <- [2]string{tk.ID, token}
		return nil, pool.Detach(time.Duration(1+len(tk.ID)%3) * time.Millisecond)
	})
	s.serve(p)
	specs := make([]pool.Spec, tasks)
	for i := range specs {
		specs[i] = pool.Spec{ID: fmt.Sprint("t", i), Kind: "job", MaxAttempts: 1, Retain: new(time.Hour)}
	}
	enqueueAll(t, c, specs)
	var mu sync.Mutex
	var accepted []string
	var wg sync.WaitGroup
	for range tasks {
		it := receive(t, tokens, patience, "a token")
		wg.Go(func() {
			switch err := c.Report(t.Context(), it[1], pool.OutsideReport{State: pool.ReportSucceeded}); {
			case err == nil:
				mu.Lock()
				accepted = append(accepted, it[0])
				mu.Unlock()
			case !errors.Is(err, pool.ErrUnknownToken):
				t.Errorf("report: %v", err)
			}
		})
		wg.Go(func() { _, _ = s.store().Stop(t.Context(), "enough", it[0]) })
		wg.Go(func() { _, _ = s.store().Maintain(t.Context(), "test") })
	}
	wg.Wait()
	for _, spec := range specs {
		got := await(t, c, spec.ID)
		if reported := slices.Contains(accepted, spec.ID); reported != (got.State == pool.Succeeded) {
			t.Errorf("%s, report accepted: %v: %s, %s", spec.ID, reported, got.State, got.Code)
		}
	}
	for id, ends := range endsOf(t, s) {
		if len(ends) != 1 {
			t.Errorf("%s: %+v", id, ends)
		}
	}
	if st := idle(t, c); st.Outside != 0 || st.Running != 0 {
		t.Errorf("stats %+v", st)
	}
}

// A report ends the attempt while its handler waits. The handler is cancelled within a moment,
// and what it returns changes nothing.
func TestReportCancelsTheRunningHandler(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	tokens, causes := make(chan string, 1), make(chan error, 1)
	p := s.pool(slots(2))
	p.HandleKind("job", func(ctx context.Context, tk *task.Task) ([]byte, error) {
		token, err := tk.ReportToken(ctx)
		if err != nil {
			return nil, err
		}
		tokens <- token
		<-ctx.Done()
		causes <- context.Cause(ctx)
		return nil, pool.Permanent(context.Cause(ctx))
	})
	s.serve(p)
	id := enqueue(t, c, pool.Spec{Kind: "job", Retain: new(time.Hour)})
	if err := c.Report(t.Context(), receive(t, tokens, patience, "a token"), pool.OutsideReport{State: pool.ReportSucceeded, Result: []byte("7")}); err != nil {
		t.Fatal(err)
	}
	if cause := receive(t, causes, prompt, "the end of the context"); !errors.Is(cause, pool.ErrReported) {
		t.Errorf("the cause is %v", cause)
	}
	if got := await(t, c, id); got.State != pool.Succeeded || string(got.Result) != "7" {
		t.Errorf("%+v", got)
	}
	idle(t, c)
}
