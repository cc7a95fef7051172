package main

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/record"
)

func TestQueuesShowWhatWaitsRunsComesAndGoes(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if out := u.must("queues"); out != "" {
		t.Errorf("an empty pool shows %q", out)
	}
	u.must("enqueue", "x", "--id", "a")
	u.must("enqueue", "x", "--id", "b")
	u.must("enqueue", "x", "--queue", "slow", "--delay", "1h")
	u.must("limit", "default", "7")
	u.must("pause", "slow")
	u.must("stop", "a")
	queues := decodeLines[record.QueueLoad](t, u.must("queues", "--json"))
	if len(queues) != 2 || queues[0].Name != "default" || queues[1].Name != "slow" {
		t.Fatalf("got %+v", queues)
	}
	if q := queues[0]; q.Waiting != 1 || q.Limit != 7 || q.OldestWaitMS <= 0 || q.InPerSecond <= 0 || q.OutPerSecond <= 0 || q.Paused {
		t.Errorf("got %+v", q)
	}
	if q := queues[1]; q.Waiting != 0 || q.OldestWaitMS != 0 || q.InPerSecond <= 0 || q.OutPerSecond != 0 || !q.Paused {
		t.Errorf("got %+v", q)
	}
	lines := strings.Split(u.must("queues"), "\n")
	if !strings.HasPrefix(lines[0], "QUEUE ") || !strings.Contains(lines[1], " 0/7 ") || !strings.HasSuffix(lines[2], "paused") {
		t.Errorf("got\n%s", strings.Join(lines, "\n"))
	}
}

func TestReplicasShowSlotsAndHeartbeat(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	if out := u.must("replicas"); out != "" {
		t.Errorf("a pool without replicas shows %q", out)
	}
	r := u.startReplica()
	u.must("enqueue", "echo", "1", "--wait") // now the replica has joined
	got := decodeLines[record.Replica](t, u.must("replicas", "--json"))
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	if one := got[0]; one.PID != r.cmd.Process.Pid || one.Slots != 4 || one.Queues["default"] != 4 || one.LeaseMS != 30_000 ||
		one.SilentMS < 0 || one.Version == "" || one.Host == "" || len(one.Kinds) != 7 || one.Draining {
		t.Errorf("got %+v", one)
	}
	if out := u.must("replicas"); !strings.Contains(out, "default:4") || !strings.Contains(out, " ago ") || !strings.Contains(out, got[0].ID) {
		t.Errorf("got\n%s", out)
	}
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := u.must("replicas", "--json"); out != "" {
		t.Errorf("a replica that left is still shown: %s", out)
	}
}

func TestASlipInAQueuesNameIsTold(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x")
	for _, args := range [][]string{{"pause", "defualt"}, {"limit", "defautl", "3"}} {
		if a := u.run(args...); a.code != 0 || a.out == "" || !strings.Contains(a.err, "note: the pool had no queue "+args[1]+"; did you mean default? there are default") ||
			!strings.HasSuffix(a.err, "; remove it with ltsworker queues --forget "+args[1]+"\n") {
			t.Errorf("%v: %+v", args, a)
		}
	}
	if a := u.run("pause", "default"); a.code != 0 || a.err != "" {
		t.Errorf("an existing queue: %+v", a)
	}
	before := listed(u.must("queues"))
	if a := u.run("resume", "defualtt"); a.code != exitFailed || a.out != "" || !strings.Contains(a.err, "the pool has no queue defualtt; did you mean defualt? there are default, ") {
		t.Errorf("got %+v", a)
	}
	if diff := cmp.Diff(before, listed(u.must("queues"))); diff != "" {
		t.Errorf("resume changed the queues (-want +got):\n%s", diff)
	}
	u.must("resume", "defualt")
}

func TestQueuesSayThatTheWholePoolIsPaused(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.must("enqueue", "x")
	u.must("pause")
	if out := u.must("queues"); !strings.Contains(out, "pool paused") {
		t.Errorf("got\n%s", out)
	}
}

func TestDoctorNamesAQueueThatNobodyServes(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	u.must("enqueue", "echo", "1", "--wait") // now the replica has joined
	u.must("enqueue", "echo", "--queue", "typo")
	u.must("pause", "typo")
	out := u.run("doctor").out
	for _, want := range []string{"no live replica serves queue typo, where 1 task waits", "queue typo is paused"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestQueuesThatNobodyUsesCanBeForgotten(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.makePool()
	if a := u.run("queues"); a.code != exitDone || a.out != "" || a.err != "ltsworker: pool "+u.pool+" has no queues\n" {
		t.Errorf("got %+v", a)
	}
	u.must("enqueue", "x", "--queue", "typo", "--id", "x")
	if a := u.run("queues", "--forget", "typo"); a.code != exitFailed || a.err != "ltsworker: forget queue typo: the queue is in use: tasks wait or run in it\n" {
		t.Errorf("got %+v", a)
	}
	u.must("stop", "x")
	if out := u.must("queues", "--forget", "typo"); out != "forgot queue typo\n" {
		t.Errorf("got %q", out)
	}
	u.must("pause", "typo")
	if out := u.must("queues", "--forget", "typo", "--json"); out != `{"forgot":"typo"}`+"\n" {
		t.Errorf("got %q", out)
	}
	if a := u.run("queues", "--forget", "typo"); a.code != exitFailed || a.err != "ltsworker: forget queue typo: no such queue\n" {
		t.Errorf("got %+v", a)
	}
	if got := decodeLines[record.QueueLoad](t, u.must("queues", "--json")); len(got) > 0 {
		t.Errorf("got %+v", got)
	}
}
