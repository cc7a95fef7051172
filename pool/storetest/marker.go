package storetest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/worker"
)

var markerRules = []rule{
	{"EveryPathThatFreesASlotLeavesAMarker", everyPathThatFreesASlot},
	{"EveryPathThatMakesWorkClaimableLeavesAMarker", everyPathThatMakesWorkClaimable},
	{"PoolLimitFreedByAnotherQueueLeavesAMarker", poolLimitFreedByAnotherQueue},
	{"OneMarkerAtMost", oneMarkerAtMost},
	{"ClaimLeavesAMarkerForWhatItLeftBehind", claimLeavesAMarker},
	{"NoMarkerWithoutClaimableWork", noMarkerWithoutWork},
	{"RepeatedClaimLeavesAMarkerForWhatItDidNotTake", repeatedClaimLeavesAMarker},
	{"LeavingReplicaLeavesAMarker", leavingReplicaLeavesAMarker},
	{"SoonerScheduledTaskLeavesAMarker", soonerScheduledTask},
	{"MarkerPassedOnIsStillThere", markerPassedOn},
}

var signalRules = []rule{
	{"MarkerWakesExactlyOneListener", markerWakesExactlyOne},
	{"RingWakesTheReplicaNowOrNextTime", ringWakesTheReplica},
	{"BellGoesBeforeMarkers", bellGoesBeforeMarkers},
	{"ListenEndsWithItsContext", listenEndsWithItsContext},
	{"ListenEndsAfterItsWait", listenEndsAfterItsWait},
	{"OneRingIsPendingAtMost", oneRingAtMost},
	{"DrainIsToldByTheBellAndByEveryRenewal", drainIsTold},
}

// take removes the queue's marker, as a listener does.
func (b *bundle) take(queue string) {
	b.Helper()
	for b.Markers(b, queue) > 0 {
		b.listen("taker", queue)
	}
}

func (b *bundle) listen(replica string, queues ...string) worker.Signal {
	b.Helper()
	s, err := b.Store.Listen(b.ctx, replica, queues, time.Second)
	b.ok(err)
	return s
}

func (b *bundle) wantMarker(queue, why string) {
	b.Helper()
	if n := b.Markers(b, queue); n != 1 {
		b.Errorf("%s: %d markers, want 1", why, n)
	}
}

// Each path is tried with a queue limit, a group limit and a pool limit of 1.
func everyPathThatFreesASlot(b *bundle) {
	stopped := func(t *worker.Task) worker.Report {
		b.stop(t.ID)
		return fail(t, worker.CodeStopped)
	}
	paths := map[string]func(t *worker.Task){
		"success":       func(t *worker.Task) { b.accept(succeed(t)) },
		"failure":       func(t *worker.Task) { b.accept(fail(t, worker.CodePermanent)) },
		"retry":         func(t *worker.Task) { b.accept(failIn(t, time.Hour)) },
		"retry at once": func(t *worker.Task) { b.accept(failIn(t, 0)) },
		"stop":          func(t *worker.Task) { b.accept(stopped(t)) },
		"release":       func(t *worker.Task) { b.accept(release(t, 0)) },
		"long release":  func(t *worker.Task) { b.accept(release(t, time.Hour)) },
		"reaper":        func(t *worker.Task) { b.lose(t) },
		"claim of another queue": func(t *worker.Task) {
			b.exchange([]worker.Report{succeed(t)}, worker.Claim{Queue: "unrelated", N: 1})
		},
	}
	limits := map[string]worker.Setting{
		"queue": {Scope: worker.QueueScope, Name: "q"}, "group": {Scope: worker.GroupScope, Name: "g"},
		"groups": {Scope: worker.GroupsScope}, "pool": {Scope: worker.PoolScope},
	}
	for limit, s := range limits {
		s.Limit = ptr(1)
		b.configure(s)
		for path, free := range paths {
			t := b.start(worker.Spec{Queue: "q", Group: "g"})
			b.enqueue(worker.Spec{Queue: "q", Group: "g"})
			b.wantIDs(b.claim("q", 5))
			b.take("q")
			free(t)
			b.wantMarker("q", path+" under a limit of the "+limit)
			if n := len(b.claim("q", 5)); n != 1 {
				b.Errorf("%s under a limit of the %s: %d started", path, limit, n)
			}
			b.stopAll("q")
			b.take("q")
		}
		s.Limit = ptr(0)
		b.configure(s)
	}
}

func everyPathThatMakesWorkClaimable(b *bundle) {
	paths := map[string]func(){
		"enqueue": func() { b.enqueue(worker.Spec{Queue: "q"}) },
		"grouped": func() { b.enqueue(worker.Spec{Queue: "q", Group: "g"}) },
		"inbox":   func() { b.Push(b, `{"kind":"k","queue":"q"}`); b.admit() },
		"due": func() {
			b.enqueue(worker.Spec{Queue: "q", Delay: time.Millisecond})
			b.passes(time.Millisecond)
			b.take("q")
			b.maintain()
		},
		"due, by a claim elsewhere": func() {
			b.enqueue(worker.Spec{Queue: "q", Delay: time.Millisecond})
			b.passes(time.Millisecond)
			b.take("q")
			b.claim("other", 1)
		},
		"retry by a person": func() {
			id := b.enqueue(worker.Spec{Queue: "q"})
			b.stop(id)
			b.take("q")
			b.retry(id)
		},
		"release": func() {
			t := b.start(worker.Spec{Queue: "q"})
			b.take("q")
			b.accept(release(t, 0))
		},
		"resume": func() {
			b.pause(worker.QueueScope, "q", true)
			b.enqueue(worker.Spec{Queue: "q"})
			b.take("q")
			b.pause(worker.QueueScope, "q", false)
		},
		"resume of the pool": func() {
			b.pause(worker.PoolScope, "", true)
			b.enqueue(worker.Spec{Queue: "q"})
			b.take("q")
			b.pause(worker.PoolScope, "", false)
		},
	}
	for path, f := range paths {
		f()
		b.wantMarker("q", path)
		if n := len(b.claim("q", 5)); n != 1 {
			b.Errorf("%s: %d started", path, n)
		}
		b.stopAll("q")
		b.take("q")
	}
}

func poolLimitFreedByAnotherQueue(b *bundle) {
	b.limit(worker.PoolScope, "", 1)
	t := b.start(worker.Spec{Queue: "p"})
	b.enqueue(worker.Spec{ID: "next", Queue: "q"})
	b.take("q")
	b.exchange([]worker.Report{succeed(t)}, worker.Claim{Queue: "p", N: 1})
	b.wantMarker("q", "freed from p")
	b.wantIDs(b.claim("q", 1), "next")
}

func oneMarkerAtMost(b *bundle) {
	for range 5 {
		b.enqueue(worker.Spec{Queue: "q"})
		b.enqueue(worker.Spec{Queue: "q", Delay: time.Millisecond})
	}
	b.limit(worker.QueueScope, "q", 9)
	b.maintain()
	b.ok(b.Store.Wake(b.ctx, "q"))
	b.wantMarker("q", "after many reasons")
}

func claimLeavesAMarker(b *bundle) {
	for range 5 {
		b.enqueue(worker.Spec{Queue: "q"})
	}
	b.take("q")
	b.claim("q", 2)
	b.wantMarker("q", "three are left")
	b.take("q")
	b.claim("q", 3)
	if n := b.Markers(b, "q"); n != 0 {
		b.Errorf("%d markers with nothing left", n)
	}
}

func noMarkerWithoutWork(b *bundle) {
	b.limit(worker.QueueScope, "q", 1)
	b.start(worker.Spec{Queue: "q"})
	b.take("q")
	b.enqueue(worker.Spec{Queue: "q"})
	b.ok(b.Store.Wake(b.ctx, "q"))
	if n := b.Markers(b, "q"); n != 0 {
		b.Errorf("%d markers while the queue is at its limit", n)
	}
	b.ok(b.Store.Wake(b.ctx, "empty"))
	if n := b.Markers(b, "empty"); n != 0 {
		b.Errorf("%d markers in an empty queue", n)
	}
}

// The repeated claim answers for a lost reply only: slots that the reports before
// it freed still need somebody.
func repeatedClaimLeavesAMarker(b *bundle) {
	b.limit(worker.QueueScope, "q", 2)
	b.enqueueAll(worker.Spec{ID: "a", Queue: "q"}, worker.Spec{ID: "b", Queue: "q"}, worker.Spec{ID: "c", Queue: "q"})
	a := b.claim("q", 1)[0]
	c := b.complete(worker.Claim{Queue: "q", N: 1})
	b.wantIDs(b.claimAs(c).Tasks, "b") // the reply is lost
	b.take("q")
	_, claimed := b.exchange([]worker.Report{succeed(a)}, c)
	b.wantIDs(claimed[0].Tasks, "b")
	b.wantMarker("q", "a slot is free and c waits")
}

func leavingReplicaLeavesAMarker(b *bundle) {
	b.join(worker.Registration{Replica: "r"})
	b.enqueue(worker.Spec{Queue: "q"})
	b.take("q") // and leaves without a claim
	b.ok(b.Store.Leave(b.ctx, "r"))
	b.wantMarker("q", "left")
}

func soonerScheduledTask(b *bundle) {
	b.enqueue(worker.Spec{Queue: "q", Delay: time.Hour})
	b.wantMarker("q", "first scheduled")
	b.take("q")
	b.enqueue(worker.Spec{Queue: "q", Delay: 2 * time.Hour})
	if n := b.Markers(b, "q"); n != 0 {
		b.Errorf("%d markers for a later one", n)
	}
	b.enqueue(worker.Spec{Queue: "q", Delay: time.Minute})
	b.wantMarker("q", "a sooner one")
	b.take("q")
	t := b.start(worker.Spec{Queue: "q"})
	b.take("q")
	b.accept(failIn(t, time.Second))
	b.wantMarker("q", "a sooner retry")
}

func markerPassedOn(b *bundle) {
	b.enqueue(worker.Spec{Queue: "q"})
	b.take("q")
	b.ok(b.Store.Wake(b.ctx, "q"))
	b.wantMarker("q", "passed on")
	b.claim("q", 1)
	b.take("q")
	// What a marker said of the schedule must not get lost either.
	b.enqueue(worker.Spec{Queue: "q", Delay: time.Hour})
	b.take("q")
	b.ok(b.Store.Wake(b.ctx, "q"))
	b.wantMarker("q", "passed on, of a scheduled task")
}

func markerWakesExactlyOne(b *bundle) {
	b.present("r") // joining leaves markers
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	got := make(chan worker.Signal, 4)
	var wg sync.WaitGroup
	for _, replica := range []string{"r1", "r2", "r3", "r4"} {
		wg.Go(func() {
			s, err := b.Store.Listen(ctx, replica, []string{"p", "q"}, 20*time.Second)
			if err == nil {
				got <- s
			}
		})
	}
	b.enqueue(worker.Spec{Queue: "q"})
	if s := <-got; s.Queue != "q" || s.Bell {
		b.Errorf("signal %+v", s)
	}
	if n := b.Markers(b, "q"); n != 0 {
		b.Errorf("%d markers are left", n)
	}
	// The next one goes to another: nobody else was woken by the first.
	b.claim("q", 1)
	b.enqueue(worker.Spec{Queue: "q"})
	if s := <-got; s.Queue != "q" {
		b.Errorf("signal %+v", s)
	}
	cancel()
	wg.Wait()
	if len(got) != 0 {
		b.Errorf("%d more listeners were woken", len(got))
	}
}

func ringWakesTheReplica(b *bundle) {
	b.ok(b.Store.Ring(b.ctx, "r"))
	if s := b.listen("r"); !s.Bell {
		b.Errorf("signal %+v", s)
	}
	done := make(chan worker.Signal)
	go func() {
		s, err := b.Store.Listen(b.ctx, "r", []string{"q"}, 20*time.Second)
		if err != nil {
			b.Error(err)
		}
		done <- s
	}()
	b.ok(b.Peer.Ring(b.ctx, "other"))
	b.ok(b.Peer.Ring(b.ctx, "r"))
	if s := <-done; !s.Bell || s.Queue != "" {
		b.Errorf("signal %+v", s)
	}
}

func bellGoesBeforeMarkers(b *bundle) {
	b.enqueue(worker.Spec{Queue: "q"})
	b.ok(b.Store.Ring(b.ctx, "r"))
	if s := b.listen("r", "q"); !s.Bell || s.Queue != "" {
		b.Errorf("signal %+v", s)
	}
	if s := b.listen("r", "q"); s.Bell || s.Queue != "q" {
		b.Errorf("signal %+v", s)
	}
}

func listenEndsWithItsContext(b *bundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error)
	go func() {
		_, err := b.Store.Listen(ctx, "r", []string{"q"}, time.Minute)
		ended <- err
	}()
	cancel()
	if err := <-ended; err == nil {
		b.Error("no error from a cancelled wait")
	}
}

func listenEndsAfterItsWait(b *bundle) {
	if s := b.listen("r", "q"); s != (worker.Signal{}) {
		b.Errorf("signal %+v", s)
	}
}

func oneRingAtMost(b *bundle) {
	t := b.start(worker.Spec{})
	b.ok(b.Store.Ring(b.ctx, "r"))
	b.ok(b.Store.Ring(b.ctx, "r"))
	b.stop(t.ID)
	if n := b.Rings(b, "r"); n != 1 {
		b.Errorf("%d rings are pending", n)
	}
}

func drainIsTold(b *bundle) {
	t := b.start(worker.Spec{ID: "x"})
	b.present("other")
	b.ok(b.Store.Ring(b.ctx, "r")) // a pending ring does not hide the request
	asked, err := b.Peer.Drain(b.ctx, "r", "none")
	b.ok(err)
	if d := cmp.Diff([]bool{true, false}, asked); d != "" {
		b.Error("asked (-want +got):\n", d)
	}
	if n := b.Rings(b, "r"); n != 1 {
		b.Errorf("%d rings at the replica's door", n)
	}
	if s := b.listen("r"); !s.Bell || !s.Drain {
		b.Errorf("signal %+v", s)
	}
	for range 2 {
		v, err := b.Store.Renew(b.ctx, worker.Renewal{Replica: "r", Lease: lease, Grace: grace, Held: []worker.Held{held(t)}})
		if !errors.Is(err, worker.ErrDrain) || len(v) != 1 || v[0] != worker.Kept {
			b.Errorf("renewal: %v, %v", v, err)
		}
	}
	if _, err := b.Store.Renew(b.ctx, worker.Renewal{Replica: "other", Lease: lease}); err != nil {
		b.Errorf("another replica's renewal: %v", err)
	}
	replicas, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	for _, r := range replicas {
		if r.Draining != (r.ID == "r") {
			b.Errorf("replica %+v", r)
		}
	}
	if _, err := b.Store.Renew(b.ctx, worker.Renewal{Replica: "other", Lease: lease, Draining: true}); err != nil {
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
	if asked, err := b.Store.Drain(b.ctx, "r"); err != nil || asked[0] || b.Rings(b, "r") > 0 {
		b.Errorf("a replica that has left was asked: %v, %v", asked, err)
	}
}
