package integration

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// A failover happens while the Redis replica keeps up with its master, or lags
// behind it. In the second case the writes that the master answered meanwhile
// are lost.
var failovers = []struct {
	name  string
	lags  bool
	store []redisstore.Option
}{
	{name: "InStep"},
	{name: "Lagging", lags: true},
	{name: "LaggingWithWait", lags: true, store: []redisstore.Option{redisstore.WithWait(1, 50*time.Millisecond)}},
}

// lag is how far, in bytes, a lagging replica is behind before the test relies
// on lost writes. A killed process still sends what its kernel has buffered,
// which is less than this.
const lag = 24 << 20

// failover loads a pool, kills its master and counts the lost writes. whole
// returns when the replica accepts writes.
func (s *site) failover(master, replica *redisserver.Server, lags bool, whole func()) {
	s.t.Helper()
	t := s.t
	const limit, lease = 6, 6 * time.Second
	c := s.client()
	var w witness
	var log diary
	cfg := slots(5)
	cfg.Lease = lease
	cfg.Queues[pool.DefaultQueue] = pool.Queue{Workers: 5, Limit: limit}
	cfg.Logger = log.logger()
	s.replicas(2, cfg, "step", w.handler)
	load := s.produce(c, 8)
	eventually(t, patience, "the pool is under load", func() bool { return w.count() > 200 })

	if lags {
		signalServer(s, replica, syscall.SIGSTOP)
		rdb := master.Client(t)
		ballast := bytes.Repeat([]byte("x"), 1<<20)
		for range lag / len(ballast) {
			if err := rdb.Set(t.Context(), "{"+s.name+"}", ballast, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		had := w.count()
		eventually(t, patience, "more work is done", func() bool { return w.count() > had+100 })
	}
	quick := w.gap() // on this machine before the fault
	killed := time.Now()
	master.Kill(t)
	if lags {
		signalServer(s, replica, syscall.SIGCONT)
	}
	whole()
	back := time.Now()
	eventually(t, patience, "work resumes", func() bool { return w.after(back) > 0 })
	resumed, went := w.after(back), w.count()
	eventually(t, patience, "work continues", func() bool { return w.count() > went+200 })
	load.stop()
	idle(t, c)

	// The remaining data is consistent.
	lives := s.history()
	for id, l := range lives {
		l.check(t)
		if l.ends() != 1 {
			t.Errorf("task %s has %d ends: %v", id, l.ends(), l)
		}
	}
	gone, ran := 0, 0
	for _, id := range load.acked {
		if _, there := lives[id]; !there {
			gone++
			ran += min(w.ran(id), 1)
		}
	}
	claims, fences, again := w.unknown(s.events())
	_, top, starts := w.read()
	t.Logf("a successor after %v, work resumed %v after that", back.Sub(killed), resumed)
	t.Logf("of %d acknowledged tasks %d are lost, %d of them had run; %d more enqueues failed", len(load.acked), gone, ran, load.failed)
	t.Logf("of %d starts %d claims are lost; %d tasks ran to their end again, %d fences were assigned again; at most %d ran at once, the limit is %d",
		starts, claims, again, fences, top, limit)
	t.Logf("the replicas logged:\n%s", log.String())
	// Where reports are lost, the leases of their tasks are back. They count
	// for the limit until they end.
	bound := resumption + slack*quick
	if lags {
		bound += lease
	}
	if resumed > bound {
		t.Errorf("work resumed only %v after the failover, the longest pause before it was %v", resumed, quick)
	}
	if len(s.opts) > 0 && gone > 0 {
		t.Errorf("%d tasks are lost that the only Redis replica had confirmed", gone)
	}
	// The new master does not count a claim that it has lost.
	if top > limit+claims {
		t.Errorf("%d handlers ran at once; the limit is %d and %d claims are lost", top, limit, claims)
	}
}

func signalServer(s *site, server *redisserver.Server, sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(server.Pid(), sig); err != nil {
		s.t.Fatal(err)
	}
}

// producers enqueue under new ids until they are stopped.
type producers struct {
	stop   func()
	acked  []string // read only after stop
	failed int
}

// produce starts n producers.
func (s *site) produce(c *pool.Pool, n int) *producers {
	ctx, cancel := context.WithCancel(s.t.Context())
	p := &producers{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for k := 0; ctx.Err() == nil; k++ {
				<-pace.C
				id := strconv.Itoa(i) + "." + strconv.Itoa(k)
				call, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
				_, err := c.EnqueueSpec(call, pool.Spec{ID: id, Kind: "step", Payload: []byte("8")})
				done()
				mu.Lock()
				if err != nil {
					p.failed++
				} else {
					p.acked = append(p.acked, id)
				}
				mu.Unlock()
			}
		})
	}
	p.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	s.t.Cleanup(p.stop)
	return p
}
