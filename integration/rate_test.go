package integration

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// starts returns when attempts started, by key.
func (s *site) starts(key func(pool.Event) string) map[string][]time.Time {
	all := map[string][]time.Time{}
	for _, e := range s.events() {
		if e.State == task.Running && e.Code == "" {
			all[key(e)] = append(all[key(e)], e.At)
		}
	}
	return all
}

// mostBeyond returns by how many starts some window of any length has more than its length times
// the rate.
func mostBeyond(starts []time.Time, r pool.Rate) float64 {
	slices.SortFunc(starts, time.Time.Compare)
	perMS := float64(r.N) / float64(r.Per.Milliseconds())
	most, least := 0.0, math.Inf(1)
	for i, at := range starts {
		ms := perMS * float64(at.UnixMilli()-starts[0].UnixMilli())
		least = min(least, float64(i)-ms)
		most = max(most, float64(i+1)-ms-least)
	}
	return most
}

// 8 replicas drain a queue. No window of any length has more starts than its length times the rate,
// and the burst. The drain takes no longer than the rate demands, with 1 % and the pauses of the
// machine.
func TestRateHoldsOverAllReplicas(t *testing.T) {
	n := volume(600, 12_000)
	rate := pool.PerSecond(200).WithBurst(50)
	s := newSite(t)
	c := s.client()
	s.replicas(8, pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 10, Rate: rate}}}, "step",
		func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	paused := s.pauses()
	enqueueAll(t, c, specsOf(n, func(int) pool.Spec { return pool.Spec{Kind: "step"} }))
	idle(t, c)
	machine := paused()
	starts := s.starts(func(pool.Event) string { return "" })[""]
	if len(starts) != n {
		t.Fatalf("%d tasks started, want %d", len(starts), n)
	}
	if got := mostBeyond(starts, rate); got > float64(rate.Burst)+1e-6 {
		t.Errorf("a window has %.2f starts beyond its rate, the burst is %d", got, rate.Burst)
	}
	took := starts[n-1].Sub(starts[0])
	want := time.Duration(n-rate.Burst) * time.Second / time.Duration(rate.N)
	if late := took - want; late < -time.Millisecond || late > want/100+stalls+2*machine {
		t.Errorf("the drain took %v, the rate demands %v, and the machine paused for %v", took, want, machine)
	}
}

// stalls is how late a machine without longer pauses may start the last task of a drain.
const stalls = 300 * time.Millisecond

// pauses begins to measure how long a busy machine lets this program or the server wait. The
// function that it returns ends that, and returns the sum of the waits that were longer than usual.
func (s *site) pauses() (sum func() time.Duration) {
	const short, usual = 10 * time.Millisecond, 20 * time.Millisecond
	ctx, cancel := context.WithCancel(s.t.Context())
	result := make(chan time.Duration, 1)
	go func() {
		var sum time.Duration
		for ctx.Err() == nil {
			begin := time.Now()
			wait(short)
			s.rdb.Ping(ctx)
			if late := time.Since(begin) - short; late > usual {
				sum += late
			}
		}
		result <- sum
	}()
	return func() time.Duration {
		cancel()
		return <-result
	}
}

func specsOf(n int, of func(i int) pool.Spec) []pool.Spec {
	specs := make([]pool.Spec, n)
	for i := range specs {
		specs[i] = of(i)
	}
	return specs
}

// Each group has a rate, and so has the queue. Failed attempts are retried: every start counts.
func TestRatesOfGroupsHoldOverAllReplicas(t *testing.T) {
	const groups = 5
	n := volume(40, 1000)
	ofGroup, ofQueue := pool.PerSecond(20).WithBurst(3), pool.PerSecond(80).WithBurst(4)
	s := newSite(t)
	c := s.client()
	cfg := pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 5, Rate: ofQueue}, "other": {Workers: 5}},
		Groups: pool.Groups{DefaultRate: ofGroup, Rates: map[string]pool.Rate{"free": pool.NoRate}},
	}
	s.replicas(8, cfg, "step", func(_ context.Context, tk *task.Task) ([]byte, error) {
		if tk.Attempt == 1 && number(tk.Payload)%7 == 0 {
			return nil, task.RetryAfter(errors.New("the first attempt fails"), time.Millisecond)
		}
		return nil, nil
	})
	enqueueAll(t, c, specsOf(groups*n, func(i int) pool.Spec {
		group, queue := fmt.Sprint("g", i%groups), pool.DefaultQueue
		if i%groups == 0 {
			group = "free"
		}
		if i%2 == 0 {
			queue = "other"
		}
		return pool.Spec{Kind: "step", Queue: queue, Group: group, Payload: fmt.Append(nil, i)}
	}))
	idle(t, c)
	for group, starts := range s.starts(func(e pool.Event) string { return e.Group }) {
		if got := mostBeyond(starts, ofGroup); group != "free" && got > float64(ofGroup.Burst)+1e-6 {
			t.Errorf("group %s: a window has %.2f starts beyond its rate, the burst is %d", group, got, ofGroup.Burst)
		}
	}
	if got := mostBeyond(s.starts(func(e pool.Event) string { return e.Queue })[pool.DefaultQueue], ofQueue); got > float64(ofQueue.Burst)+1e-6 {
		t.Errorf("the queue: a window has %.2f starts beyond its rate, the burst is %d", got, ofQueue.Burst)
	}
}

// A group that its rate holds back leaves the queue to the others, whatever waits in it.
func TestGroupThatIsHeldBackDelaysNoOther(t *testing.T) {
	backlog, each := volume(20_000, 1_000_000), 20
	s := newSite(t)
	c := s.client()
	if err := c.SetRate(t.Context(), pool.GroupScope, "g0", pool.PerHour(1).WithBurst(1)); err != nil {
		t.Fatal(err)
	}
	for done := 0; done < backlog; done += 10_000 {
		enqueueAll(t, c, specsOf(min(10_000, backlog-done), func(int) pool.Spec { return pool.Spec{Kind: "step", Group: "g0"} }))
	}
	s.replicas(2, slots(10), "step", func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	enqueueAll(t, c, specsOf(49*each, func(i int) pool.Spec { return pool.Spec{Kind: "step", Group: fmt.Sprint("g", 1+i%49)} }))
	eventually(t, patience, "the tasks of the other groups have ended", func() bool { return stats(t, c).Waiting == backlog-1 })
	if n := s.rdb.ZCard(t.Context(), s.key("wait:default")).Val(); n != 0 {
		t.Errorf("%d tasks of the group are among those that claims read", n)
	}
	_, groups, err := c.Groups(t.Context(), "g0")
	if err != nil || groups[0].Held != backlog-1 || groups[0].RateUntil.IsZero() {
		t.Errorf("the group: %+v, %v", groups, err)
	}
}

// When a token returns, one replica comes for it. The others go on with about one call a second.
func TestOneReplicaComesForAToken(t *testing.T) {
	const n, replicas, perToken = 60, 8, 5
	s := siteOn(t, redisserver.Start(t))
	c := s.client()
	s.replicas(replicas, pool.Config{Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: 2, Rate: pool.PerSecond(20).WithBurst(1)}}}, "step",
		func(context.Context, *task.Task) ([]byte, error) { return nil, nil })
	began := time.Now() // before the calls are counted
	before, _, _ := s.traffic()
	enqueueAll(t, c, specsOf(n, func(int) pool.Spec { return pool.Spec{Kind: "step"} }))
	s.nothingWaits()
	after, _, _ := s.traffic()
	most := n*perToken + int(time.Since(began).Seconds()+1)*2*replicas
	t.Logf("%d calls for %d starts", after-before, n)
	if after-before > most {
		t.Errorf("%d calls for %d starts, want at most %d", after-before, n, most)
	}
}

// nothingWaits waits until the queue is empty, without a script.
func (s *site) nothingWaits() {
	s.t.Helper()
	eventually(s.t, patience, "an empty queue", func() bool {
		return s.rdb.ZCard(context.Background(), s.key("wait:default")).Val() == 0
	})
}
