package integration

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/integration/faultproxy"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// resumption is the time within which work resumes after any outage, in
// addition to slack times the time that the same takes on this machine without
// an outage.
const resumption = 5 * time.Second

// plant is two replicas under load, behind a proxy or not, and a client that
// enqueues and observes.
type plant struct {
	t      testing.TB
	server *redisserver.Server
	proxy  *faultproxy.Proxy
	admin  *redis.Client // past the proxy
	client *pool.Pool    // past the proxy
	books  []*logbook
	before []int           // by replica: outages that it logged before the fault
	starts [2]atomic.Int64 // by replica
	held   atomic.Int64    // handlers of the first replica that wait for the end of their context …
	lost   chan loss       // … and its cause
	taken  chan time.Time  // when the second replica has started a task again
	made   atomic.Int64
	stop   []func() error
	feed   func()        // ends the load
	quick  time.Duration // the duration of the first starts
}

// loss is the end of the context of a handler.
type loss struct {
	at    time.Time
	cause error
}

func newPlant(t testing.TB, lease time.Duration, opts ...redisserver.Option) *plant {
	return newPlantWith(t, lease, false, opts...)
}

// newPlantWith is newPlant, but with past the second replica is not behind the
// proxy.
func newPlantWith(t testing.TB, lease time.Duration, past bool, opts ...redisserver.Option) *plant {
	p := &plant{t: t, server: redisserver.Start(t, opts...), lost: make(chan loss, 100), taken: make(chan time.Time, 100)}
	p.proxy = faultproxy.Start(t, p.server.Addr())
	p.admin = clientAt(t, p.server.Addr())
	open := func(addr string, cfg pool.Config) *pool.Pool {
		st := redisstore.New(clientAt(t, addr), "plant")
		t.Cleanup(func() { st.Close() })
		made, err := pool.New(st, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	p.client = open(p.server.Addr(), pool.Config{Logger: newLogbook().logger()})
	for i := range 2 {
		addr := p.proxy.Addr()
		if past && i == 1 {
			addr = p.server.Addr()
		}
		book := newLogbook()
		p.books = append(p.books, book)
		cfg := slots(4)
		cfg.Lease, cfg.Logger = lease, book.logger()
		replica := open(addr, cfg)
		replica.HandleKind("step", func(ctx context.Context, _ *task.Task) ([]byte, error) {
			p.starts[i].Add(1)
			work := time.NewTimer(2 * time.Millisecond)
			defer work.Stop()
			select {
			case <-work.C:
				return nil, nil
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		replica.HandleKind("hold", func(ctx context.Context, tk *task.Task) ([]byte, error) {
			if i == 1 {
				if tk.Attempt > 1 {
					p.taken <- time.Now()
				}
				return nil, nil
			}
			p.held.Add(1)
			<-ctx.Done()
			p.lost <- loss{time.Now(), context.Cause(ctx)}
			return nil, context.Cause(ctx)
		})
		s := site{t: t}
		p.stop = append(p.stop, s.serve(replica))
	}
	eventually(t, patience, "2 live replicas", func() bool {
		live, err := p.client.Replicas(context.Background())
		return err == nil && len(live) == 2
	})

	fed, feeding := make(chan struct{}), sync.WaitGroup{}
	feeding.Go(func() {
		again := time.NewTicker(5 * time.Millisecond)
		defer again.Stop()
		for {
			select {
			case <-fed:
				return
			case <-again.C:
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			// A new id each time: after an error the state of the task is
			// unknown.
			id := "t" + time.Now().Format("150405.000000")
			for ctx.Err() == nil {
				if _, err := p.client.EnqueueSpec(ctx, pool.Spec{Kind: "step", ID: id, Retain: new(time.Hour)}); err == nil {
					p.made.Add(1)
					break
				}
			}
			cancel()
		}
	})
	p.feed = sync.OnceFunc(func() {
		close(fed)
		feeding.Wait()
	})
	t.Cleanup(p.feed)
	p.quick = p.starting("the beginning")
	p.mark()
	return p
}

// resumes checks that work resumes within its bound after the event that what
// names.
func (p *plant) resumes(what string) {
	p.t.Helper()
	if took := p.starting(what); took > resumption+slack*p.quick {
		p.t.Errorf("work resumed only %v after %s, the first starts took %v", took, what, p.quick)
	}
}

// starting waits until each replica has started some tasks and returns how long that took.
func (p *plant) starting(what string) time.Duration {
	p.t.Helper()
	began := time.Now()
	for i := range p.starts {
		before := p.starts[i].Load()
		eventually(p.t, patience, "tasks start after "+what, func() bool { return p.starts[i].Load() > before+5 })
	}
	took := time.Since(began)
	p.t.Logf("work resumed %v after %s", took.Round(time.Millisecond), what)
	return took
}

// finish ends the load. It checks that every task succeeded, whatever faults
// it met, and that the replicas are the same as at the beginning.
func (p *plant) finish() {
	p.t.Helper()
	p.feed()
	st := idle(p.t, p.client)
	p.t.Logf("%d tasks, %d leases lost", p.made.Load(), st.LeasesLost)
	if st.Ended[pool.Succeeded] != p.made.Load() || st.Ended[pool.Failed] != 0 {
		p.t.Errorf("of %d tasks %d succeeded and %d failed", p.made.Load(), st.Ended[pool.Succeeded], st.Ended[pool.Failed])
	}
	for _, stop := range p.stop {
		if err := stop(); err != nil {
			p.t.Error("a replica had ended: ", err)
		}
	}
}

// mark records that the fault begins now. On a busy machine a replica logs
// outages before it.
func (p *plant) mark() {
	p.before = p.before[:0]
	for _, book := range p.books {
		p.before = append(p.before, len(book.about(failing)))
	}
}

// maxOutagesLogged checks that each replica logged at most that many outages.
func (p *plant) maxOutagesLogged(outages int) {
	p.t.Helper()
	for i, book := range p.books {
		eventually(p.t, patience, "every call works again", func() bool { return len(book.about(failing)) == len(book.about(working)) })
		if n := len(book.about(failing)) - p.before[i]; n > outages {
			p.t.Errorf("replica %d logged %d outages of %d:\n%s", i, n, outages, strings.Join(book.about(""), "\n"))
		}
		for _, line := range book.about("") {
			if strings.HasPrefix(line, "ERROR") && !strings.Contains(line, failing) && !strings.Contains(line, reason) {
				p.t.Errorf("replica %d logged %s", i, line)
			}
		}
	}
}

// wait lets real time pass while something is broken; the tests need real time.
func wait(d time.Duration) {
	passed := time.NewTimer(d)
	<-passed.C
}

// calm is how many connections and commands two replicas may try in a second in
// which nothing works. Each replica has six kinds of calls. It pauses for 50 ms
// or more between its tries, and the driver tries four times.
const calm = 60

// Redis does not answer for three leases.
func TestReplicasOutliveASilentRedis(t *testing.T) {
	t.Parallel()
	// Calls have a part of the lease as their time limit, which a busy machine must not exceed.
	const lease, silence = 8 * time.Second, 16 * time.Second
	p := newPlant(t, lease)
	p.mark()
	resume := p.proxy.Silence()
	before, began := p.proxy.Attempts(), time.Now()
	wait(silence)
	tries, passed := p.proxy.Attempts()-before, time.Since(began)
	resume()
	p.resumes("the silence")
	t.Logf("%d tries in %v of silence", tries, passed)
	if tries > calm*int(passed/time.Second+1) {
		t.Errorf("%d tries in %v of silence: a busy loop", tries, passed)
	}
	p.maxOutagesLogged(1)
	p.finish()
}

// Redis is killed and restarted with its data.
func TestReplicasOutliveARestartedRedis(t *testing.T) {
	t.Parallel()
	const down = 3 * time.Second
	p := newPlant(t, 5*time.Second, redisserver.AOF())
	// Tasks are waiting when Redis is back, even before the client enqueues
	// again.
	backlog := make([]pool.Spec, 3000)
	for i := range backlog {
		backlog[i] = pool.Spec{Kind: "step", Retain: new(time.Hour)}
	}
	enqueueAll(t, p.client, backlog)
	p.made.Add(int64(len(backlog)))
	p.mark()
	p.server.Kill(t)
	before, began := p.proxy.Attempts(), time.Now()
	wait(down)
	tries, passed := p.proxy.Attempts()-before, time.Since(began)
	p.server.Restart(t)
	p.resumes("the restart")
	t.Logf("%d tries in %v without a server", tries, passed)
	if tries > calm*int(passed/time.Second+1) {
		t.Errorf("%d tries in %v without a server: a busy loop", tries, passed)
	}
	p.maxOutagesLogged(1)
	p.finish()
}

// Every connection is killed again and again.
func TestReplicasOutliveKilledConnections(t *testing.T) {
	t.Parallel()
	p := newPlant(t, 5*time.Second)
	killed := int64(0)
	for range 60 {
		wait(30 * time.Millisecond)
		n, err := p.admin.ClientKillByFilter(context.Background(), "TYPE", "normal", "SKIPME", "yes").Result()
		if err != nil {
			t.Fatal(err)
		}
		killed += n
	}
	t.Logf("%d connections were killed", killed)
	p.resumes("the kills")
	p.maxOutagesLogged(60)
	p.finish()
}

// Connections are reset again and again, in the middle of their traffic.
func TestReplicasOutliveResetConnections(t *testing.T) {
	t.Parallel()
	p := newPlant(t, 5*time.Second)
	for range 60 {
		wait(30 * time.Millisecond)
		p.proxy.Reset()
	}
	p.resumes("the resets")
	p.maxOutagesLogged(60)
	p.finish()
}

// The server's script cache is flushed again and again. No task fails, and no
// call fails but those that take too long on a busy machine.
func TestScriptsAreForgottenUnderLoad(t *testing.T) {
	t.Parallel()
	p := newPlant(t, 20*time.Second)
	before := p.starts[0].Load() + p.starts[1].Load()
	started, late := int64(0), time.Now().Add(patience)
	for flushes := 0; flushes < 400 || started < 100; flushes++ {
		wait(5 * time.Millisecond)
		if err := p.admin.ScriptFlush(context.Background()).Err(); err != nil {
			t.Fatal(err)
		}
		if started = p.starts[0].Load() + p.starts[1].Load() - before; time.Now().After(late) {
			t.Fatalf("only %d tasks started during %d flushes", started, flushes)
		}
	}
	for i, book := range p.books {
		for _, line := range book.about("") {
			if !strings.Contains(line, "joined the pool") && !strings.Contains(line, "context deadline exceeded") && !strings.Contains(line, "the store works again") {
				t.Errorf("replica %d logged: %s", i, line)
			}
		}
	}
	p.finish()
}

// One of two replicas is cut off for three leases while it runs a task that
// waits for the end of its context. The other replica continues and takes that
// task over. The replica that was cut off has cancelled the task in time and
// works again afterwards.
func TestReplicaThatWasCutOffComesBack(t *testing.T) {
	t.Parallel()
	const lease = 4 * time.Second // in its last quarter, at most a second, no handler runs any more
	p := newPlantWith(t, lease, true)
	eventually(t, patience, "the replica runs a task that waits", func() bool {
		enqueue(t, p.client, pool.Spec{Kind: "hold", Retain: new(time.Hour)})
		p.made.Add(1)
		wait(20 * time.Millisecond)
		return p.held.Load() > 0
	})
	p.mark()
	resume := p.proxy.Silence()
	cut := time.Now()
	lost := receive(t, p.lost, patience, "its handler is cancelled")
	if lost.cause != pool.ErrLeaseLost {
		t.Errorf("its handler was cancelled because of %v", lost.cause)
	}
	if taken := receive(t, p.taken, patience, "the task runs on the other replica"); taken.Before(lost.at) {
		t.Errorf("its handler was cancelled %v after the cut, when the task had run on the other replica for %v", lost.at.Sub(cut), lost.at.Sub(taken))
	}
	before := p.starts[1].Load()
	if rest := 3*lease - time.Since(cut); rest > 0 {
		wait(rest)
	}
	eventually(t, patience, "the other replica starts tasks meanwhile", func() bool { return p.starts[1].Load() >= before+50 })
	resume()
	p.resumes("the cut")
	p.maxOutagesLogged(1)
	p.finish()
}
