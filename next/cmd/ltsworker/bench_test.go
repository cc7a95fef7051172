package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBenchMeasuresAndLeavesNothingBehind(t *testing.T) {
	u := newUser(t)
	s := u.ownServer()
	u.env = u.env[:1] // LTS_POOL is not what it uses either
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
	got := decodeLines[benchRecord](t, u.must("bench", "--tasks", "300", "--workers", "8", "--json"))
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
	cmd = u.command("bench", "--tasks", "200000")
	var told bytes.Buffer
	cmd.Stderr = &told
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u.until("its replica is there", func() bool {
		all, err := rdb.Keys(ctx, "lts:*:replicas").Result()
		if err != nil || len(all) != 1 {
			return false
		}
		name := strings.TrimSuffix(strings.TrimPrefix(all[0], "lts:{"), "}:replicas")
		return strings.Contains(u.run("drain", "--all", "--pool", name).out, "asked 1 ")
	})
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitFailed || !strings.Contains(told.String(), "somebody asked it to drain") {
		t.Errorf("drained: %v, %s", err, told.String())
	}
	if got := keys(); len(got) != 1 {
		t.Errorf("after a drain %d keys are left", len(got))
	}
	if a := u.run("bench", "--pool", "p"); a.code != exitUsage || !strings.Contains(a.err, "takes no --pool") {
		t.Errorf("got %+v", a)
	}
}
