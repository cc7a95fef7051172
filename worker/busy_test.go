package worker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// The replica makes an exchange for another reason when a queue has become ready for which it was not signalled. It reported
// the queue as busy before it got a free slot, and has not claimed from it since.
func TestQueueIsNotReportedAsBusyAfterItsSlotIsFreeAgain(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		tr := newTestReplica(t, Config{Queues: map[string]task.QueueConfig{"q": {Workers: 1}}})
		gate := make(chan struct{})
		tr.r.Handle("job", func(context.Context, *task.Task) ([]byte, error) {
			<-gate
			return nil, nil
		})
		tr.r.Handle("quick", noop)
		tr.store.put(task.Spec{ID: "first", Kind: "job", Queue: "q"})
		tr.run()
		tr.advance(time.Second)
		tr.store.mu.Lock()
		tr.store.signal(tr.r.ID(), "q:q")
		tr.store.mu.Unlock()
		synctest.Wait()
		if x := tr.store.exchanges[len(tr.store.exchanges)-1]; len(x.Busy) != 1 {
			t.Fatalf("the full queue was not reported as busy: %+v", x)
		}
		close(gate)
		synctest.Wait()

		tr.store.mu.Lock()
		delete(tr.store.idle, tr.r.ID()) // another signal is on its way
		tr.store.mu.Unlock()
		tr.store.put(task.Spec{ID: "second", Kind: "quick", Queue: "q"})
		from := len(tr.store.exchanges)
		tr.store.mu.Lock()
		tr.store.signal(tr.r.ID(), "due")
		tr.store.mu.Unlock()
		synctest.Wait()
		if x := tr.store.exchanges[from]; len(x.Busy) > 0 || !x.Idle {
			t.Errorf("a queue with a free slot is reported as busy: %+v", x)
		}
		tr.wantState("second", task.Succeeded, task.CodeOK)
		tr.shutDown()
	})
}
