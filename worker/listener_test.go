package worker

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A restart of the store may forget that the replica is idle, and may leave the connection
// of the blocked call dead. The replica announces itself again as soon as any of its calls
// works again, and not with the slow poll.
func TestReplicaIsIdleAgainAfterAnOutage(t *testing.T) {
	for _, op := range []string{"listen", "renew"} {
		t.Run(op, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T) {
				tr := newTestReplica(t, Config{Lease: 3 * time.Second})
				tr.r.Handle("job", noop)
				tr.run()
				tr.advance(12 * time.Second) // the next slow poll is some seconds away
				failed := false
				tr.store.setFault(func(called string) fault {
					if called == op && !failed {
						failed = true
						clear(tr.store.idle)
						return fail
					}
					return none
				})
				if op == "listen" {
					tr.store.mu.Lock()
					tr.store.signal(tr.r.ID(), "check")
					tr.store.mu.Unlock()
				}
				tr.advance(1500 * time.Millisecond)
				if !failed {
					t.Fatal("no call has failed")
				}
				tr.advance(1200 * time.Millisecond)
				tr.store.put(task.Spec{ID: "x", Kind: "job"})
				tr.advance(0)
				tr.wantState("x", task.Succeeded, task.CodeOK)
				if err := tr.shutDown(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
