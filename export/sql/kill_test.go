package sql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The environment of a replica in a process of its own: "ADDRESS POOL RUNS MOMENT N WHERE". It
// kills itself at the N-th save, at the moment "before" or "after" the row is written; never if N
// is 0. Its handler appends a line to the file RUNS.
const envChild = "LTS_TEST_EXPORTER"

// killing kills the process around a save. Later saves wait for that, so that a process saves no
// more results than it should.
type killing struct {
	*Exporter
	moment string
	left   atomic.Int64
}

func (k *killing) Save(ctx context.Context, r *task.Staged) (task.Reference, error) {
	left := k.left.Add(-1)
	if left < 0 {
		select {} // until the process is killed
	}
	last := left == 0
	if last && k.moment == "before" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	ref, err := k.Exporter.Save(ctx, r)
	if last {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return ref, err
}

func exporting(e task.Exporter) pool.Config {
	return pool.Config{Queues: map[string]pool.Queue{"default": {Workers: 4}}, Logger: slog.New(slog.DiscardHandler),
		Exports: map[string]pool.Export{"k": {Exporter: e, MaxAttempts: 10_000, Backoff: pool.Backoff{Fixed: true, Base: 10 * time.Millisecond}}}}
}

func child() int {
	f := strings.Fields(os.Getenv(envChild))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := func() error {
		e, err := New(f[5], Config{Pool: f[1]})
		if err != nil {
			return err
		}
		k := &killing{Exporter: e, moment: f[3]}
		n, _ := strconv.ParseInt(f[4], 10, 64)
		if n == 0 {
			n = math.MaxInt64
		}
		k.left.Store(n)
		cfg := exporting(k)
		cfg.Lease = time.Second // the next replica takes the saves over soon; no handler runs in these processes
		p, err := pool.New(redisstore.New(redis.NewClient(&redis.Options{Addr: f[0]}), f[1]), cfg)
		if err != nil {
			return err
		}
		p.HandleKind("k", handler(f[2]))
		return p.Run(ctx)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// handler returns a handler that records its runs in a file.
func handler(runs string) task.Handler {
	return func(_ context.Context, t *task.Task) ([]byte, error) {
		f, err := os.OpenFile(runs, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(t.ID + "\n")
		return []byte(`"of ` + t.ID + `"`), errors.Join(err, f.Close())
	}
}

// waitFor waits until the pool has n tasks in a state.
func waitFor(t *testing.T, p *pool.Pool, state pool.State, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // polls: tasks of other processes
		found := 0
		for _, err := range p.Tasks(t.Context(), pool.Filter{States: []pool.State{state}}) {
			if err != nil {
				t.Fatal(err)
			}
			found++
		}
		if found == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d tasks are %s, want %d", found, state, n)
		}
	}
}

// TestResultsOfKilledReplicasAreSavedExactlyOnce kills replicas around saves.
func TestResultsOfKilledReplicasAreSavedExactlyOnce(t *testing.T) {
	kills, tasks := 4, 12
	if *soak {
		kills, tasks = 200, 400
	}
	databases(t, func(t *testing.T, where string) {
		server := redisserver.Start(t)
		rdb := server.Client(t)
		runs := t.TempDir() + "/runs"
		e := newExporter(t, where)
		p, err := pool.New(redisstore.New(rdb, "p"), exporting(e))
		if err != nil {
			t.Fatal(err)
		}
		p.HandleKind("k", handler(runs))
		if err := p.Pause(t.Context(), task.ExportQueue+"k"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- p.Run(ctx) }()
		for i := range tasks {
			if _, err := p.EnqueueSpec(t.Context(), task.Spec{ID: fmt.Sprintf("t%03d", i), Kind: "k", Retain: new(pool.Forever)}); err != nil {
				t.Fatal(err)
			}
		}
		waitFor(t, p, pool.Exporting, tasks)
		cancel()
		if err := <-ran; err != nil {
			t.Fatal(err)
		}
		if err := p.Resume(t.Context(), task.ExportQueue+"k"); err != nil {
			t.Fatal(err)
		}

		replica := func(moment string, n int) *exec.Cmd {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s p %s %s %d %s", envChild, server.Addr(), runs, moment, n, where))
			return cmd
		}
		for i := range kills {
			cmd := replica([]string{"before", "after"}[i%2], 1+i/2%2)
			out, err := cmd.CombinedOutput()
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
				t.Fatalf("the replica was not killed: %v\n%s", err, out)
			}
		}
		last := replica("before", 0)
		if err := last.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, p, pool.Succeeded, tasks)
		_ = last.Process.Signal(syscall.SIGTERM)
		if err := last.Wait(); err != nil {
			t.Error(err)
		}

		all := rows(t, e)
		if len(all) != tasks {
			t.Errorf("%d rows of %d tasks", len(all), tasks)
		}
		for _, r := range all {
			tk, err := p.Get(t.Context(), r.ID)
			if err != nil || tk.Attempt != 1 {
				t.Fatalf("%+v, %v", tk, err)
			}
			if got, err := pool.Result[string](t.Context(), p, r.ID); err != nil || got != "of "+r.ID || r.Result != `"`+got+`"` {
				t.Errorf("the result of %s is %q, %v; its row is %+v", r.ID, got, err, r)
			}
		}
		text, err := os.ReadFile(runs)
		if n := strings.Count(string(text), "\n"); err != nil || n != tasks {
			t.Errorf("the handler ran %d times for %d tasks, %v", n, tasks, err)
		}
	})
}
