package sql

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/postgresserver"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// TestWorkIsNotRepeatedWhileTheDatabaseIsAway stops PostgreSQL before the first result. No more
// results than the bound are staged, plus those of running tasks. All are saved when it is back.
func TestWorkIsNotRepeatedWhileTheDatabaseIsAway(t *testing.T) {
	const tasks, most, workers = 60, 10, 4
	server, where := postgresserver.Start(t)
	server.Stop(t)
	redis := redisserver.Start(t)
	runs := t.TempDir() + "/runs"
	e := newExporter(t, where)
	cfg := exporting(e)
	export := cfg.Exports["k"]
	export.MaxStaged = most
	cfg.Exports["k"] = export
	p, err := pool.New(redisstore.New(redis.Client(t), "p"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.HandleKind("k", handler(runs))
	p.HandleKind("other", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- p.Run(ctx) }()
	for i := range tasks {
		if _, err := p.EnqueueSpec(t.Context(), task.Spec{ID: fmt.Sprintf("t%03d", i), Kind: "k", Retain: new(pool.Forever)}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(state pool.State) (n int) {
		t.Helper()
		for tk, err := range p.Tasks(t.Context(), pool.Filter{States: []pool.State{state}, Kinds: []string{"k"}}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; state == pool.Exporting && tk.SavesFailed > 0 && !strings.Contains(tk.Error, "save a result in test at ") {
				t.Errorf("the error is %q", tk.Error)
			}
		}
		return n
	}
	for deadline := time.Now().Add(patience); count(pool.Exporting) < most; time.Sleep(20 * time.Millisecond) { // polls
		if time.Now().After(deadline) {
			t.Fatalf("%d are exporting", count(pool.Exporting))
		}
	}
	// A task of another kind is not delayed by the tasks that wait ahead of it. After it, all
	// tasks of the kind have been considered.
	r, err := p.EnqueueSpec(t.Context(), task.Spec{Kind: "other", Retain: new(pool.Forever)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitTask(t.Context(), r.ID); err != nil {
		t.Fatal(err)
	}
	if n := count(pool.Exporting); n > most+workers {
		t.Errorf("%d results are staged, with a bound of %d and %d slots", n, most, workers)
	}
	if n := count(pool.Succeeded); n > 0 {
		t.Errorf("%d succeeded without a database", n)
	}

	server.Restart(t)
	for deadline := time.Now().Add(patience); count(pool.Succeeded) < tasks; time.Sleep(20 * time.Millisecond) { // polls
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d succeeded", count(pool.Succeeded), tasks)
		}
	}
	if all := rows(t, e); len(all) != tasks {
		t.Errorf("%d rows of %d tasks", len(all), tasks)
	}
	text, err := os.ReadFile(runs)
	if n := strings.Count(string(text), "\n"); err != nil || n != tasks {
		t.Errorf("the handler ran %d times for %d tasks, %v", n, tasks, err)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
