package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Replicas are killed right after they have reported. The consumers of a group
// are killed while they hold entries. In the middle of the test there is no
// consumer at all. Every end is one event, and every event reaches the group at
// least once.
func TestChaosEveryEventReachesItsGroup(t *testing.T) {
	t.Parallel()
	rnd := seeded(t)
	f := chaosFleet(t, time.Second, 10, 0)
	c := f.client()
	length := lasting(2*time.Second, 5*time.Second)
	readers := []*process{f.start(roleReader), f.start(roleReader)}
	f.awaitGroup("tests")
	replicas := f.fleetOf(3)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()

	made := make(chan int, 1)
	pace := rand.New(rand.NewPCG(rnd.Uint64(), 0))
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if _, err := c.EnqueueSpec(context.Background(), pool.Spec{
				ID: fmt.Sprint("t-", n), Kind: kindWork, Payload: strconv.AppendInt(nil, pace.Int64N(10), 10),
			}); err != nil {
				t.Error(err)
			}
			pause(pace, 0, 10*time.Millisecond)
		}
		made <- n
	}()

	// Each kill follows the end of a task as soon as the test has learned of
	// it.
	begin := time.Now()
	workerKills, readerKills := 0, 0
	calm := time.Now()
	down := false // no consumer is alive
	raise := func() {
		readers, down = []*process{f.start(roleReader), f.start(roleReader)}, false
	}
	for e, err := range c.Events(ctx, "0") {
		if err != nil {
			break
		}
		switch third := int(3 * time.Since(begin) / length); {
		case third == 1 && !down:
			for _, p := range readers {
				p.kill()
				readerKills++
			}
			down = true
		case third > 1 && down:
			raise()
		}
		if !e.State.Terminal() || time.Since(calm) < 400*time.Millisecond || e.At.Before(calm) {
			continue
		}
		if p, i := f.owner(c, replicas, e.Replica); p != nil {
			f.replace(replicas, i)
			workerKills++
		}
		if !down {
			i := rnd.IntN(len(readers))
			readers[i].kill()
			readers[i] = f.start(roleReader)
			readerKills++
		}
		calm = time.Now()
	}
	if down { // a busy machine had no event in the last third
		raise()
	}
	n := receive(t, made, patience, "the end of the enqueues")
	st := idle(t, c)
	var lag pool.Lag
	eventually(t, patience, "the group has read everything", func() bool {
		var err error
		lag, err = c.SubscriptionLag(t.Context(), "tests")
		return err == nil && lag.Unread+lag.Pending == 0
	})
	f.checkIdle(c)
	story := f.chronicle()
	story.check(t, n)

	type version struct {
		task string
		v    int64
	}
	got := map[version]int{}
	for _, r := range f.recorded() {
		if r.What == enter && r.Replica == "" {
			got[version{r.Task, r.Attempt}]++
		}
	}
	missing, again := 0, 0
	for id, tl := range story.tales {
		for v := int64(1); v <= tl.version; v++ {
			switch n := got[version{id, v}]; n {
			case 0:
				missing++
			default:
				again += n - 1
			}
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d events did not reach the group", missing, story.events)
	}
	t.Logf("%d workers and %d consumers killed, %d tasks, %d events, %d delivered again, %d leases lost",
		workerKills, readerKills, n, story.events, again, st.LeasesLost)
}

// owner finds the process that runs a replica.
func (f *fleet) owner(c *pool.Pool, ps []*process, replica string) (*process, int) {
	f.t.Helper()
	infos, err := c.Replicas(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, info := range infos {
		for i, p := range ps {
			if info.ID == replica && info.PID == p.pid {
				return p, i
			}
		}
	}
	return nil, 0
}
