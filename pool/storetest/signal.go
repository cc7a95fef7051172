package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var signalRules = []rule{
	{"WakeUpReachesOneListener", wakeUpReachesOne},
	{"RingWakesTheReplicaNowOrNextTime", ringWakesTheReplica},
	{"ListenReturnsEverySignal", listenReturnsEverySignal},
	{"ListenEndsWithItsContext", listenEndsWithItsContext},
	{"ListenEndsAfterItsWait", listenEndsAfterItsWait},
	{"SignalsDoNotPileUp", signalsDoNotPileUp},
	{"DrainReachesTheReplicaByEveryWay", drainReachesTheReplica},
}

func (b *bundle) listen(replica string) task.Signal {
	b.Helper()
	s, err := b.Store.Listen(b.ctx, replica, time.Second)
	b.ok(err)
	return s
}

func wakeUpReachesOne(b *bundle) {
	replicas := []string{"r1", "r2", "r3", "r4"}
	for _, r := range replicas {
		b.serve(r, "p", "q")
	}
	b.sleep(replicas...)
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	type heard struct {
		replica string
		task.Signal
	}
	got := make(chan heard, len(replicas))
	var wg sync.WaitGroup
	for _, replica := range replicas {
		wg.Go(func() {
			s, err := b.Store.Listen(ctx, replica, 20*time.Second)
			if err == nil {
				got <- heard{replica, s}
			}
		})
	}
	seen := map[string]bool{}
	for range 2 { // the second wakes another
		b.enqueue(task.Spec{Queue: "q"})
		h := <-got
		if h.Queue != "q" || h.Check || h.Drain || seen[h.replica] {
			b.Errorf("signal %+v, before %v", h, seen)
		}
		seen[h.replica] = true
		b.claimAs(task.Exchange{Replica: h.replica}, "q", 1)
	}
	cancel()
	wg.Wait()
	if len(got) != 0 {
		b.Errorf("%d more replicas were woken", len(got))
	}
}

func ringWakesTheReplica(b *bundle) {
	b.ok(b.Store.Wake(b.ctx, "r"))
	if s := b.listen("r"); !s.Check {
		b.Errorf("signal %+v", s)
	}
	done := make(chan task.Signal)
	go func() {
		s, err := b.Store.Listen(b.ctx, "r", 20*time.Second)
		if err != nil {
			b.Error(err)
		}
		done <- s
	}()
	b.ok(b.Peer.Wake(b.ctx, "other"))
	b.ok(b.Peer.Wake(b.ctx, "r"))
	if s := <-done; !s.Check || s.Queue != "" {
		b.Errorf("signal %+v", s)
	}
}

func listenReturnsEverySignal(b *bundle) {
	b.serve("r", "q")
	t := b.start(task.Spec{Queue: "q"})
	b.sleep("r")
	b.enqueue(task.Spec{Queue: "q"})
	b.stop(t.ID)
	b.ok(b.Store.Wake(b.ctx, "r"))
	_, err := b.Store.Drain(b.ctx, "r")
	b.ok(err)
	var all task.Signal
	for range 6 {
		s := b.listen("r")
		if s == (task.Signal{}) {
			break
		}
		all.Check, all.Drain = all.Check || s.Check, all.Drain || s.Drain
		if s.Queue != "" {
			all.Queue = s.Queue
		}
	}
	if d := cmp.Diff(task.Signal{Check: true, Drain: true, Queue: "q"}, all); d != "" {
		b.Error("signals (-want +got):\n", d)
	}
}

func listenEndsWithItsContext(b *bundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error)
	go func() {
		_, err := b.Store.Listen(ctx, "r", time.Minute)
		ended <- err
	}()
	cancel()
	if err := <-ended; err == nil {
		b.Error("no error from a cancelled wait")
	}
}

func listenEndsAfterItsWait(b *bundle) {
	if s := b.listen("r"); s != (task.Signal{}) {
		b.Errorf("signal %+v", s)
	}
}

func signalsDoNotPileUp(b *bundle) {
	ts := b.startAll(20, task.Spec{ID: "t"})
	for _, t := range ts {
		b.ok(b.Store.Wake(b.ctx, "r"))
		b.stop(t.ID)
		_, err := b.Store.Drain(b.ctx, "r")
		b.ok(err)
	}
	got := b.Signals(b, "r")
	if len(got) > 6 || !slices.Contains(got, "check") || !slices.Contains(got, "stop") || !slices.Contains(got, "drain") {
		b.Errorf("signals %v", got)
	}
}

func drainReachesTheReplica(b *bundle) {
	t := b.start(task.Spec{ID: "x"})
	b.present("other")
	b.ok(b.Store.Wake(b.ctx, "r")) // a pending signal does not hide the request
	asked, err := b.Peer.Drain(b.ctx, "r", "none")
	b.ok(err)
	if d := cmp.Diff([]bool{true, false}, asked); d != "" {
		b.Error("asked (-want +got):\n", d)
	}
	drains := false
	for range 2 {
		drains = drains || b.listen("r").Drain
	}
	if !drains {
		b.Error("the doorbell does not say that the replica is to drain")
	}
	for range 2 {
		got, err := b.Store.Renew(b.ctx, task.Renewal{Replica: "r", Lease: lease, Grace: grace, Held: held(t)})
		if !errors.Is(err, task.ErrDrain) || !slices.Equal(got.Verdicts, []task.Verdict{task.Kept}) {
			b.Errorf("renewal: %v, %v", got, err)
		}
		if !b.send(task.Exchange{}).Drain || !b.send(task.Exchange{Sequence: 2}).Drain {
			b.Error("the exchange does not say that the replica is to drain")
		}
	}
	if _, err := b.Store.Renew(b.ctx, task.Renewal{Replica: "other", Lease: lease}); err != nil || b.send(task.Exchange{Replica: "other"}).Drain {
		b.Errorf("another replica is asked to drain: %v", err)
	}
	replicas, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	for _, r := range replicas {
		if r.Draining != (r.ID == "r") {
			b.Errorf("replica %+v", r)
		}
	}
	if _, err := b.Store.Renew(b.ctx, task.Renewal{Replica: "other", Lease: lease, Draining: true}); err != nil {
		b.Errorf("the renewal of a replica that drains by itself: %v", err)
	}
	replicas, err = b.Store.Replicas(b.ctx)
	b.ok(err)
	for _, r := range replicas {
		if !r.Draining {
			b.Errorf("replica %+v", r)
		}
	}
	b.ok(b.Store.Leave(b.ctx, "r"))
	if asked, err := b.Store.Drain(b.ctx, "r"); err != nil || asked[0] || len(b.Signals(b, "r")) > 0 {
		b.Errorf("a replica that has left was asked: %v, %v", asked, err)
	}
}
