package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
)

// soakTriggers are the triggers that fire while a pool has faults.
const soakTriggers = 10

// Triggers fire while processes are killed and frozen, connections break and Redis restarts. Each
// planned time makes one task.
func TestFiringsAreExactWhileEverythingFails(t *testing.T) {
	t.Parallel()
	s := &soak{fleet: chaosFleet(t, soakLease, 1, 0, redisserver.AOF()), rnd: seeded(t), did: map[string]int{}}
	s.c = s.client()
	s.replicas = s.fleetOf(soakReplicas)
	faults := []fault{
		{"process killed", 0, func() { s.replace(s.replicas, 1+s.rnd.IntN(soakReplicas-1)) }},
		{"process frozen", 0, s.freezeOne},
		{"process terminated", 0, s.terminate},
		{"connections killed", 0, func() { _ = s.rdb.ClientKillByFilter(context.Background(), "TYPE", "normal", "SKIPME", "no").Err() }},
		{"scripts flushed", 0, func() { _ = s.rdb.ScriptFlush(context.Background()).Err() }},
		{"Redis killed and restarted", 0, s.restart},
	}
	start := time.Now().Add(2 * settling).Truncate(time.Millisecond)
	var want []string
	for i := range soakTriggers {
		def := ticking(fmt.Sprint("t", i), start, 100*time.Millisecond, volume(60, 600))
		setTrigger(t, s.c, def)
		want = append(want, plannedTimes(def)...)
	}
	<-time.After(time.Until(start)) // nothing fires before
	during := 0                     // firings until the last fault
	for range volume(2, 12) {
		for _, i := range s.rnd.Perm(len(faults)) {
			s.did[faults[i].name]++
			faults[i].do()
			s.supervise()
			pause(s.rnd, 0, 400*time.Millisecond)
		}
		s.retryCall(func() error {
			st, err := s.c.Stats(context.Background())
			during = st.Waiting
			return err
		})
	}
	s.thaws.Wait()
	awaitTicks(t, s.c, want)
	t.Logf("%d firings, %d of them during the faults %v", len(want), during, s.did)
}

// The clock of Redis jumps by up to ten seconds while triggers fire: it is up to five seconds ahead
// of those of the replicas, or behind them. Each planned time makes one task.
func TestFiringsAreExactWhileClocksDiffer(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t, redisserver.Clock(t))
	s := siteOn(t, server)
	c := s.client()
	s.replicas(3, slots(1), "tick", nothing)
	start := time.Now().Add(2 * settling).Truncate(time.Millisecond)
	var want []string
	for i := range soakTriggers {
		def := ticking(fmt.Sprint("t", i), start, 50*time.Millisecond, volume(100, 400))
		setTrigger(t, c, def)
		want = append(want, plannedTimes(def)...)
	}
	const ahead = 5 * time.Second
	for i := 0; ; i++ {
		made := 0
		eventually(t, patience, "further firings", func() bool {
			before := made
			made = stats(t, c).Waiting
			return made > before && before > 0 || made == len(want)
		})
		if made == len(want) {
			break
		}
		server.SetClock(t, []time.Duration{ahead, -ahead, 0}[i%3])
	}
	awaitTicks(t, c, want)
}
