package integration

import (
	"bytes"
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// A process is stopped as a whole in the middle of a report, until the pool has
// removed its replica. Where the report had not been sent, another replica has
// run the task by then: the report is refused with its own code, and the second
// result is stored. Where the report had been sent, it counts once. The reply
// to the repeated call is not checked, because the pool has removed the
// replica.
func TestChaosProcessFrozenInTheMiddleOfAReport(t *testing.T) {
	t.Parallel() // it mostly waits for leases to end
	// A busy machine must get from the claim to the report within the lease.
	const lease = 3 * time.Second
	rounds := volume(2, 50)
	rnd := seeded(t)
	f := chaosFleet(t, lease, 4, 0)
	c := f.client()
	refused, counted, first := 0, 0, rnd.IntN(2)
	for i := range rounds {
		when := []string{faintBefore, faintAfter}[(i+first)%2]
		p := f.start(roleReplica)
		f.awaitReplicas(1)
		// From its second report on, the process calls the script by its hash.
		await(t, c, enqueue(t, c, pool.Spec{Kind: kindWork, Payload: []byte("1"), Retain: new(time.Hour)}))
		id := enqueue(t, c, pool.Spec{Kind: kindFaint, Payload: []byte(when), MaxAttempts: 1, Retain: new(time.Hour)})
		f.entry(exit, id, 1)
		other := f.start(roleReplica)
		eventually(t, patience, "the frozen process is not listed", func() bool {
			live, err := c.Replicas(context.Background())
			n := f.rdb.ZCard(context.Background(), f.key("replicas")).Val()
			return err == nil && n == 1 && len(live) == 1 && live[0].PID == other.pid
		})

		attempts, result := int64(1), "1"
		if when == faintBefore {
			attempts, result = 2, "2"
		}
		good := func(at string) {
			t.Helper()
			task := await(t, c, id)
			if task.State != pool.Succeeded || task.Attempt != attempts || string(task.Result) != result || task.Failures != 0 {
				t.Errorf("%s (%s the report was sent) the task is %+v", at, when, task)
			}
		}
		good("while the first is frozen")
		p.signal(syscall.SIGCONT)
		// When the process has run another task by itself, it has sent its
		// report and serves again.
		other.kill()
		next := enqueue(t, c, pool.Spec{Kind: kindWork, Payload: []byte("1"), Retain: new(time.Hour)})
		await(t, c, next)
		if r := f.entry(enter, next, 1); r.PID != p.pid {
			t.Errorf("process %d ran the next task", r.PID)
		}
		good("after the thaw")
		p.terminate()
		if when == faintAfter {
			counted++
		} else {
			refused++
			if !bytes.Contains(p.log.Bytes(), []byte("verdict=lost")) {
				t.Errorf("the late report was not refused as such: %s", p.log.Bytes())
			}
		}
		eventually(t, patience, "no replica is listed", func() bool {
			live, err := c.Replicas(context.Background())
			return err == nil && len(live) == 0
		})
	}
	idle(t, c)
	f.checkIdle(c)
	story := f.chronicle()
	story.check(t, 3*rounds)
	f.checkRuns(story, 0, 0)
	t.Logf("%d late reports were refused, %d sent reports were counted", refused, counted)
}
