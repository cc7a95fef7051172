package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// load enqueues tasks of all sorts until it is ended. A failed enqueue is
// repeated under the same id until it has succeeded: each id is one task.
type load struct {
	t        testing.TB
	client   *pool.Pool
	rnd      *rand.Rand
	spec     func(rnd *rand.Rand) pool.Spec
	stop     chan struct{}
	done     chan struct{}
	repeated int // read only after end

	mu     sync.Mutex
	n      int
	recent []string
}

// load starts to enqueue about perSecond tasks of kindWork per second.
func (f *fleet) load(seed uint64, perSecond int) *load {
	return f.loadOf(seed, perSecond, func(rnd *rand.Rand) pool.Spec {
		return pool.Spec{Kind: kindWork, Payload: strconv.AppendInt(nil, rnd.Int64N(60), 10)}
	})
}

func (f *fleet) loadOf(seed uint64, perSecond int, spec func(rnd *rand.Rand) pool.Spec) *load {
	l := &load{
		t: f.t, client: f.client(), rnd: rand.New(rand.NewPCG(seed, 1)), spec: spec, stop: make(chan struct{}), done: make(chan struct{}),
	}
	const batches = 20 // per second
	go func() {
		defer close(l.done)
		again := time.NewTicker(time.Second / batches)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				l.enqueue(1 + l.rnd.IntN(2*perSecond/batches))
			case <-l.stop:
				return
			case <-l.t.Context().Done(): // the test has failed
				return
			}
		}
	}()
	return l
}

func (l *load) enqueue(n int) {
	specs := make([]pool.Spec, n)
	ids := make([]string, n)
	for i := range specs {
		specs[i] = l.spec(l.rnd)
		ids[i] = fmt.Sprint("load-", l.n+i)
		specs[i].ID = ids[i]
	}
	for l.t.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(l.t.Context(), 5*time.Second)
		receipts, err := l.client.EnqueueAll(ctx, specs)
		cancel()
		if err == nil {
			for _, r := range receipts {
				if r.Err != nil {
					err = r.Err
				}
			}
		}
		if err == nil {
			break
		}
		l.repeated++
		<-time.After(20 * time.Millisecond)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n += n
	l.recent = append(l.recent, ids...)
	l.recent = l.recent[max(0, len(l.recent)-500):]
}

// some picks n of the tasks that were made last.
func (l *load) some(rnd *rand.Rand, n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for range n {
		if len(l.recent) > 0 {
			ids = append(ids, l.recent[rnd.IntN(len(l.recent))])
		}
	}
	return ids
}

// end stops the load and returns the number of tasks made.
func (l *load) end() int {
	l.t.Helper()
	close(l.stop)
	receive(l.t, l.done, patience, "the last enqueue of the load succeeds")
	return l.n
}
