package metrics_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Ids, groups, payloads, unique keys and restarts add no series: no label has them.
func TestIDsAndRestartsAddNoSeries(t *testing.T) {
	t.Parallel()
	tasks, restarts := 600, 6
	if *soak {
		tasks, restarts = 100_000, 1_000
	}
	s := newSite(t)
	client := s.client()
	var first series
	for n := range restarts {
		p := s.pool(pool.Config{Queues: map[string]pool.Queue{"a": {Workers: 20}, "b": {Workers: 20}}, OnFinish: func(context.Context, pool.Event) {}})
		h := metrics.NewCollector(p, fresh).Handler()
		ended := make(chan struct{}, tasks)
		for _, kind := range []string{"x", "y"} {
			p.HandleKind(kind, func(context.Context, *task.Task) ([]byte, error) { ended <- struct{}{}; return nil, nil })
		}
		stop := s.serve(p)
		batch := tasks / restarts
		specs := make([]pool.Spec, batch)
		for i := range specs {
			id := fmt.Sprint(n, "-", i)
			specs[i] = pool.Spec{ID: id, Kind: []string{"x", "y"}[i%2], Queue: []string{"a", "b"}[i/2%2], Group: "g" + id, Unique: "u" + id, Payload: []byte(id)}
		}
		s.enqueue(client, specs...)
		for range batch {
			<-ended
		}
		eventually(t, "the end of all tasks", func() bool {
			st, err := client.Stats(t.Context())
			return err == nil && st.Ended[pool.Succeeded] == int64(batch*(n+1))
		})
		got := scrape(t, h)
		if n == 0 {
			first = got
			if len(got) < 150 {
				t.Fatalf("only %d series", len(got))
			}
		} else if diff := cmp.Diff(keep(first.names()), keep(got.names())); diff != "" {
			t.Fatalf("after %d restarts and %d ids (-first +now):\n%s", n, batch*(n+1), diff)
		}
		stop()
	}
}

// keep leaves out the series of calls that a short life of a replica need not make.
func keep(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool {
		for _, script := range []string{"reap", "promote", "purge", "check", "renew", "wake", "spread", "leave"} {
			if strings.HasPrefix(name, "ltsworker_script_") && strings.Contains(name, `script="`+script+`"`) {
				return true
			}
		}
		return false
	})
}

// Beyond the bounds everything is still counted, under one label.
func TestQueuesAndKindsBeyondTheBoundAreAddedUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const kinds, queues = 10, 8
	p := s.pool(pool.Config{Queues: map[string]pool.Queue{"q": {Workers: 2}}})
	c := metrics.NewCollector(p, metrics.Options{MaxKinds: 4, MaxQueues: 3, MaxAge: 1})
	for i := range kinds {
		p.HandleKind(fmt.Sprint("k", i), func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	}
	client := s.client()
	for i := range queues {
		s.enqueue(client, pool.Spec{Kind: "k0", Queue: fmt.Sprint("w", i)}, pool.Spec{Kind: "k0", Queue: fmt.Sprint("w", i)})
	}
	s.serve(p)
	for range 2 {
		for i := range kinds {
			s.enqueue(client, pool.Spec{Kind: fmt.Sprint("k", i), Queue: "q"})
		}
	}
	h := c.Handler()
	byKind := func(got series) (sum float64, kinds map[string]float64) {
		kinds = map[string]float64{}
		for i := range 10 {
			name := fmt.Sprint("k", i)
			if v, ok := got[fmt.Sprintf(`ltsworker_attempts_ended_total{code="ok",kind=%q,queue="q"}`, name)]; ok {
				kinds[name], sum = v, sum+v
			}
		}
		if v, ok := got[`ltsworker_attempts_ended_total{code="ok",kind="other",queue="other"}`]; ok {
			kinds["other"], sum = v, sum+v
		}
		return sum, kinds
	}
	eventually(t, "all attempts", func() bool { sum, _ := byKind(scrape(t, h)); return sum == 2*kinds })
	got := scrape(t, h)
	_, ended := byKind(got)
	if len(ended) != 5 || ended["other"] != 12 {
		t.Errorf("attempts by kind: %v", ended)
	}
	if got["ltsworker_metrics_overflow_total"] != 24 { // starts and ends
		t.Errorf("overflow %v", got["ltsworker_metrics_overflow_total"])
	}
	// By name q comes first, then w0 and so on.
	got.want(t, series{
		`ltsworker_queue_waiting_tasks{queue="q"}`:     0,
		`ltsworker_queue_waiting_tasks{queue="w0"}`:    2,
		`ltsworker_queue_waiting_tasks{queue="w1"}`:    2,
		`ltsworker_queue_waiting_tasks{queue="other"}`: 12,
		`ltsworker_pool_other_queues`:                  6,
	})
	if _, ok := got[`ltsworker_queue_waiting_tasks{queue="w2"}`]; ok {
		t.Errorf("too many queues: %v", slices.Sorted(maps.Keys(got)))
	}
}

// A task whose record another program has damaged may have any bytes as its kind.
func TestKindsThatAreNoTextAreCounted(t *testing.T) {
	t.Parallel()
	c := metrics.NewCollector(newSite(t).client(), metrics.Options{WithoutPool: true})
	o := c.Observer()
	for range 2 {
		damaged := &task.Task{Spec: task.Spec{Kind: "\xff"}}
		o.Started(damaged, "q", 0)
		o.Ended(damaged, "q", task.CodeBadPayload, 0)
	}
	scrape(t, c.Handler()).want(t, series{
		`ltsworker_attempts_started_total{kind="other",queue="other"}`:                  2,
		`ltsworker_attempts_ended_total{code="bad_payload",kind="other",queue="other"}`: 2,
		`ltsworker_metrics_overflow_total`:                                              4,
	})
}
