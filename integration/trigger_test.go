package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// unserved is a queue that no replica serves, so that the tasks of triggers stay.
const unserved = "unserved"

// settling is how long before its first planned time a trigger is set: a busy machine needs some of
// it. A planned time that passed before the trigger was set makes no task.
const settling = 5 * time.Second

// ticking returns a trigger whose tasks have the planned time as their payload. None of its firings
// is a misfire, however busy the machine is.
func ticking(name string, start time.Time, every time.Duration, firings int) pool.Trigger {
	return pool.Trigger{
		Name: name, Every: every, Start: start, End: start.Add(time.Duration(firings) * every), PayloadTemplate: "{{trigger}} {{planned_ms}}",
		Grace: time.Hour, Task: pool.Spec{Kind: "tick", Queue: unserved},
	}
}

func setTrigger(t testing.TB, p *pool.Pool, def pool.Trigger) {
	t.Helper()
	if err := p.Triggers().Set(context.Background(), def); err != nil {
		t.Fatal(err)
	}
}

// ticks returns the payloads of the tasks in the queue, sorted.
func ticks(t testing.TB, p *pool.Pool) (payloads []string) {
	t.Helper()
	for tk, err := range p.Tasks(context.Background(), pool.Filter{Queues: []string{unserved}}) {
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, string(tk.Payload))
	}
	slices.Sort(payloads)
	return payloads
}

// awaitTicks waits until triggers have made as many tasks, and compares their planned times.
func awaitTicks(t testing.TB, p *pool.Pool, want []string) {
	t.Helper()
	eventually(t, patience, "all firings", func() bool {
		st, err := p.Stats(context.Background())
		return err == nil && st.Waiting >= len(want)
	})
	slices.Sort(want)
	got := ticks(t, p)
	if slices.Equal(got, want) {
		return
	}
	for _, tick := range want {
		if !slices.Contains(got, tick) {
			t.Errorf("no task for %s", tick)
		}
	}
	for i, tick := range got {
		if !slices.Contains(want, tick) || i > 0 && got[i-1] == tick {
			t.Errorf("an extra task for %s", tick)
		}
	}
}

// plannedTimes returns the payloads of the tasks of a trigger.
func plannedTimes(def pool.Trigger) (payloads []string) {
	for at := def.Start; at.Before(def.End); at = at.Add(def.Every) {
		payloads = append(payloads, def.Name+" "+strconv.FormatInt(at.UnixMilli(), 10))
	}
	return payloads
}

// Replicas are killed while triggers fire. Each planned time makes one task.
func TestFiringsAreExactWhileReplicasAreKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, time.Second, 1, 0)
	c := f.client()
	replicas := f.fleetOf(3)
	triggers, firings, kills := 40, volume(10, 250), volume(3, 40)
	const every = 100 * time.Millisecond
	start := time.Now().Add(2 * settling).Truncate(time.Millisecond)
	var want []string
	for i := range triggers {
		def := ticking(fmt.Sprint("t", i), start, every, firings)
		setTrigger(t, c, def)
		want = append(want, plannedTimes(def)...)
	}
	killed := 0
	for range kills {
		made := 0
		eventually(t, patience, "further firings", func() bool {
			st, err := c.Stats(context.Background())
			made = st.Waiting
			return err == nil && made > 0
		})
		if made == len(want) {
			break
		}
		f.replace(replicas, rand.IntN(len(replicas)))
		killed++
	}
	awaitTicks(t, c, want)
	t.Logf("%d firings, %d replicas killed", len(want), killed)
}

// No replica was alive for three hours. The rule of each trigger decides then.
func TestMisfiresAfterAnOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	ctx := context.Background()
	now := time.Now()
	var want []string
	for name, rule := range map[string]struct {
		misfire pool.Misfire
		most    int
		makes   []int // planned times, by their number
	}{
		"skip": {pool.MisfireSkip, 0, nil}, "once": {pool.MisfireOnce, 0, []int{2}},
		"all": {pool.MisfireAll, 0, []int{0, 1, 2}}, "newest": {pool.MisfireAll, 2, []int{1, 2}},
	} {
		def := ticking(name, time.Time{}, time.Hour, 0)
		def.End, def.Misfire, def.MisfireMax, def.Grace = time.Time{}, rule.misfire, rule.most, 0
		setTrigger(t, c, def)
		planned := now.Add(-3*time.Hour + 10*time.Minute).Truncate(time.Millisecond)
		// The trigger was set before the outage.
		ms := planned.UnixMilli()
		if err := s.rdb.HSet(ctx, s.key("trigger:"+def.Name), "planned", ms, "due", ms, "anchor", ms).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.rdb.Do(ctx, "ZADD", s.key("triggers"), ms, def.Name).Err(); err != nil {
			t.Fatal(err)
		}
		for _, i := range rule.makes {
			want = append(want, def.Name+" "+strconv.FormatInt(planned.Add(time.Duration(i)*time.Hour).UnixMilli(), 10))
		}
	}
	s.replicas(1, slots(1), "tick", nothing)
	awaitTicks(t, c, want)
	eventually(t, patience, "the skipped times in the history", func() bool {
		h, err := c.Triggers().History(ctx, "skip")
		return err == nil && len(h) == 1 && h[0].Outcome == pool.TriggerMissed && strings.Contains(h[0].Why, "late")
	})
	list, err := c.Triggers().List(ctx)
	if err != nil || len(list) != 4 {
		t.Fatalf("%d triggers, %v", len(list), err)
	}
	for _, i := range list {
		if d := i.Next.Sub(now); d < 0 || d > time.Hour {
			t.Errorf("the next planned time of %s is in %v", i.Name, d)
		}
	}
}

func nothing(context.Context, *task.Task) ([]byte, error) { return nil, nil }

// A trigger is replaced again and again while it fires. No planned time is lost or made
// twice, and its phase does not move.
func TestReplacedTriggerLosesNoFiring(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	s.replicas(2, slots(1), "tick", nothing)
	def := ticking("t", time.Now().Add(settling).Truncate(time.Millisecond), 50*time.Millisecond, volume(20, 1000))
	want := plannedTimes(def)
	setTrigger(t, c, def)
	<-time.After(time.Until(def.Start)) // nothing fires before
	n, begin := 0, time.Now()
	for ; ; n++ {
		def.Task.Priority = int8(n % 100)
		if !replace(t, c, def) {
			break
		}
		if n%5 == 0 {
			replace(t, c, def) // the same again
		}
		<-time.After(5 * time.Millisecond) // so often are triggers replaced
	}
	t.Logf("%d firings; replaced %.0f times a second", len(want), float64(n)/time.Since(begin).Seconds())
	awaitTicks(t, c, want)
}

// replace sets a trigger. It returns false after the last planned time, when a definition that
// never fires again is refused.
func replace(t testing.TB, p *pool.Pool, def pool.Trigger) bool {
	t.Helper()
	err := p.Triggers().Set(context.Background(), def)
	if err != nil && !(strings.Contains(err.Error(), "never fires") && time.Now().After(def.End.Add(-def.Every))) {
		t.Fatal(err)
	}
	return err == nil && time.Now().Before(def.End)
}

// The definition changes between two schedules with the same planned times.
func TestChangedScheduleLosesNoFiring(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	s.replicas(2, slots(1), "tick", nothing)
	start := time.Now().Add(settling).Truncate(time.Millisecond)
	def := ticking("t", start, 100*time.Millisecond, volume(10, 300))
	end, want := def.End, plannedTimes(def)
	setTrigger(t, c, def)
	<-time.After(time.Until(start)) // nothing fires before
	for n := 0; replace(t, c, def); n++ {
		// Another end is another schedule.
		def.End = end.Add(-time.Duration(n%2) * time.Millisecond)
		<-time.After(10 * time.Millisecond) // so often are triggers replaced
	}
	awaitTicks(t, c, want)
}

// Triggers of the same second are fired within it.
func TestManyTriggersFireAtOnce(t *testing.T) {
	s := newSite(t)
	c := s.client()
	n := volume(500, 10_000)
	for i := range n {
		setTrigger(t, c, ticking(fmt.Sprint("t", i), time.Now().Add(time.Hour), time.Hour, 1))
	}
	due := time.Now().Add(settling).Truncate(time.Millisecond) // the replicas join before
	var want []string
	_, err := s.rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error { // setting them takes too long
		ms := due.UnixMilli()
		for i := range n {
			name := fmt.Sprint("t", i)
			p.HSet(t.Context(), s.key("trigger:"+name), "planned", ms, "due", ms)
			p.ZAdd(t.Context(), s.key("triggers"), redis.Z{Score: float64(ms), Member: name})
			want = append(want, fmt.Sprint(name, " ", ms))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.replicas(2, slots(1), "tick", nothing)
	joined := time.Now()
	awaitTicks(t, c, want)
	var late []time.Duration
	for i := range n {
		h, err := c.Triggers().History(t.Context(), fmt.Sprint("t", i))
		if err != nil || len(h) != 1 {
			t.Fatal(h, err)
		}
		if h[0].At.Before(due) {
			t.Fatalf("fired %v early", due.Sub(h[0].At))
		}
		late = append(late, h[0].At.Sub(due))
		if due.Before(joined) { // the replicas of a busy machine joined later
			late[i] = max(0, h[0].At.Sub(joined))
		}
	}
	t.Logf("%d triggers: lateness p50 %v p99 %v max %v", n, percentile(late, 50), percentile(late, 99), percentile(late, 100))
	if p := percentile(late, 100); p > prompt {
		t.Errorf("the last one fired %v late", p)
	}
}

// Triggers that fire one after the other, with many more triggers in the pool.
func TestLatenessOfTriggers(t *testing.T) {
	s := newSite(t)
	c := s.client()
	idle, n := volume(100, 10_000), volume(20, 400)
	for i := range idle {
		setTrigger(t, c, pool.Trigger{Name: fmt.Sprint("idle", i), Cron: "0 3 1 1 *", Task: pool.Spec{Kind: "tick"}})
	}
	starts := make(chan time.Duration, n)
	s.replicas(2, slots(2), "tick", func(_ context.Context, tk *task.Task) ([]byte, error) {
		ms, _ := strconv.ParseInt(strings.TrimPrefix(string(tk.Payload), "t "), 10, 64)
		starts <- time.Since(time.UnixMilli(ms))
		return nil, nil
	})
	def := ticking("t", time.Now().Add(settling).Truncate(time.Millisecond), 50*time.Millisecond, n)
	def.Task.Queue = ""
	setTrigger(t, c, def)
	least := s.leastLateness(t, def.Start.Add(def.Every/2), def.Every, n)
	var late []time.Duration
	for range n {
		d := receive(t, starts, patience, "the start")
		if d < 0 {
			t.Fatalf("started %v early", -d)
		}
		late = append(late, d)
	}
	t.Logf("with %d other triggers: lateness p50 %v p99 %v max %v", idle, percentile(late, 50), percentile(late, 99), percentile(late, 100))
	floor := receive(t, least, patience, "the signals")
	t.Logf("a signal through Redis and one read: p50 %v p99 %v max %v", percentile(floor, 50), percentile(floor, 99), percentile(floor, 100))
	if p := percentile(late, 99); p > prompt {
		t.Errorf("lateness p99 is %v", p)
	}
}

// leastLateness measures how late a program is on this machine that waits for a time, signals
// another one through a list, which then reads a key: n times, from a start on.
func (s *site) leastLateness(t *testing.T, start time.Time, every time.Duration, n int) <-chan []time.Duration {
	t.Helper()
	times := make([]time.Time, n)
	for i := range times {
		times[i] = start.Add(time.Duration(i) * every)
	}
	go func() {
		for _, at := range times {
			<-time.After(time.Until(at))
			s.rdb.RPush(t.Context(), "signal", "")
		}
	}()
	result := make(chan []time.Duration, 1)
	go func() {
		var late []time.Duration
		for _, at := range times {
			if s.rdb.BLPop(t.Context(), 0, "signal").Err() != nil {
				return
			}
			s.rdb.Get(t.Context(), "none")
			late = append(late, time.Since(at))
		}
		result <- late
	}()
	return result
}
