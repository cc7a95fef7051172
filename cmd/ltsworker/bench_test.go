package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/internal/selftest"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

func TestBenchMeasuresAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	u.env = u.env[:1] // bench does not use LTS_POOL either
	rdb := s.Client(t)
	ctx := t.Context()
	if err := rdb.Set(ctx, "lts:{bench-other}:meta", "mine", 0).Err(); err != nil {
		t.Fatal(err)
	}
	keys := func() []string {
		t.Helper()
		all, err := rdb.Keys(ctx, "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	got := decodeLines[selftest.Measurement](t, u.must("bench", "--tasks", "300", "--workers", "8", "--json"))
	var what []string
	for _, r := range got {
		what = append(what, r.What)
		if r.N < 300 || r.PerSecond <= 0 && (r.P50MS <= 0 || r.P99MS < r.P50MS || r.MaxMS < r.P99MS) {
			t.Errorf("got %+v", r)
		}
	}
	if diff := cmp.Diff([]string{"round trip", "enqueue one", "enqueue many", "drain", "pick-up"}, what); diff != "" {
		t.Error(diff)
	}
	if got := keys(); len(got) != 1 {
		t.Errorf("keys are left: %v", got)
	}

	cmd := u.command("bench", "--tasks", "1000000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u.until("a task was made", func() bool { return len(keys()) > 5 })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitFailed {
		t.Errorf("interrupted: %v", err)
	}
	if got := keys(); len(got) != 1 {
		t.Errorf("after an interrupt %d keys are left", len(got))
	}
	if a := u.run("bench", "--pool", "p"); a.code != exitUsage || !strings.Contains(a.err, "takes no --pool") {
		t.Errorf("got %+v", a)
	}
}

// The pool is paused during a call that enqueues. No task starts after that, so the replica runs
// until it gets a request to drain.
func TestBenchEndsWhereItsReplicaIsDrained(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	rdb := u.ownServer().Client(t)
	direct := *u
	proxy := faultproxy.Start(t, u.addr)
	u.env = []string{"LTS_REDIS=redis://" + proxy.Addr() + "/0"}
	paused := make(chan string, 1)
	// The first task takes two calls, because Redis does not have the script yet.
	proxy.StrikeMeanwhile("enqueue", 3, faultproxy.Nothing, func() {
		name, err := pauseOnlyPool(rdb)
		if err != nil {
			t.Error(err)
		}
		paused <- name
	})
	cmd := u.command("bench", "--tasks", "1000")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := <-paused
	u.until("its replica has joined", func() bool { return direct.must("replicas", "--json", "--pool", name) != "" })
	if out := direct.must("drain", "--all", "--pool", name); out != "asked 1 replica to drain\n" {
		t.Errorf("got %q", out)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(stderr.String(), "a drain was requested") {
		t.Errorf("drained: %v, %s", err, stderr.String())
	}
	if keys, err := rdb.Keys(t.Context(), "*").Result(); err != nil || len(keys) > 0 {
		t.Errorf("keys are left: %v, %v", keys, err)
	}
}

// pauseOnlyPool pauses the only pool of the server and returns its name.
func pauseOnlyPool(rdb *redis.Client) (string, error) {
	ctx := context.Background()
	keys, err := rdb.Keys(ctx, "lts:{*}:meta").Result()
	if err != nil || len(keys) != 1 {
		return "", fmt.Errorf("pools of the server: %v, %w", keys, err)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(keys[0], "lts:{"), "}:meta")
	p, err := pool.New(redisstore.New(rdb, name), pool.Config{})
	if err != nil {
		return "", err
	}
	defer p.Close()
	return name, p.Pause(ctx, "")
}
