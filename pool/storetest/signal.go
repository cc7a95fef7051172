package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var signalRules = []rule{
	{"SignalReachesOneListener", signalReachesOne},
	{"WakeReachesTheReplicaNowOrNextTime", wakeReachesTheReplica},
	{"ListenReturnsEverySignal", listenReturnsEverySignal},
	{"ListenEndsWithItsContext", listenEndsWithItsContext},
	{"ListenEndsAfterItsWait", listenEndsAfterItsWait},
	{"SignalsDoNotPileUp", signalsDoNotPileUp},
	{"DrainRequestReachesTheReplicaByEveryCall", drainRequestReachesTheReplica},
}

func (fx *fixture) listen(replica string) task.Signal {
	fx.Helper()
	s, err := fx.Store.Listen(fx.ctx, replica, time.Second)
	fx.noError(err)
	return s
}

func signalReachesOne(fx *fixture) {
	replicas := []string{"r1", "r2", "r3", "r4"}
	for _, r := range replicas {
		fx.serve(r, "p", "q")
	}
	fx.becomeIdle(replicas...)
	ctx, cancel := context.WithCancel(fx.ctx)
	defer cancel()
	type heard struct {
		replica string
		task.Signal
	}
	got := make(chan heard, len(replicas))
	var wg sync.WaitGroup
	for _, replica := range replicas {
		wg.Go(func() {
			s, err := fx.Store.Listen(ctx, replica, 20*time.Second)
			if err == nil {
				got <- heard{replica, s}
			}
		})
	}
	seen := map[string]bool{}
	for range 2 { // the second task signals another replica
		fx.enqueue(task.Spec{Queue: "q"})
		h := <-got
		if h.Queue != "q" || h.Check || h.Drain || seen[h.replica] {
			fx.Errorf("signal %+v, before %v", h, seen)
		}
		seen[h.replica] = true
		fx.claimAs(task.Exchange{Replica: h.replica}, "q", 1)
	}
	cancel()
	wg.Wait()
	if len(got) != 0 {
		fx.Errorf("%d more replicas were signalled", len(got))
	}
}

func wakeReachesTheReplica(fx *fixture) {
	fx.noError(fx.Store.Wake(fx.ctx, "r"))
	if s := fx.listen("r"); !s.Check {
		fx.Errorf("signal %+v", s)
	}
	done := make(chan task.Signal)
	go func() {
		s, err := fx.Store.Listen(fx.ctx, "r", 20*time.Second)
		if err != nil {
			fx.Error(err)
		}
		done <- s
	}()
	fx.noError(fx.Peer.Wake(fx.ctx, "other"))
	fx.noError(fx.Peer.Wake(fx.ctx, "r"))
	if s := <-done; !s.Check || s.Queue != "" {
		fx.Errorf("signal %+v", s)
	}
}

func listenReturnsEverySignal(fx *fixture) {
	fx.serve("r", "q")
	t := fx.start(task.Spec{Queue: "q"})
	fx.becomeIdle("r")
	fx.enqueue(task.Spec{Queue: "q"})
	fx.stop(t.ID)
	fx.noError(fx.Store.Wake(fx.ctx, "r"))
	_, err := fx.Store.Drain(fx.ctx, "r")
	fx.noError(err)
	var all task.Signal
	for range 6 {
		s := fx.listen("r")
		if s == (task.Signal{}) {
			break
		}
		all.Check, all.Drain = all.Check || s.Check, all.Drain || s.Drain
		if s.Queue != "" {
			all.Queue = s.Queue
		}
	}
	if d := cmp.Diff(task.Signal{Check: true, Drain: true, Queue: "q"}, all); d != "" {
		fx.Error("signals (-want +got):\n", d)
	}
}

func listenEndsWithItsContext(fx *fixture) {
	ctx, cancel := context.WithCancel(fx.ctx)
	ended := make(chan error)
	go func() {
		_, err := fx.Store.Listen(ctx, "r", time.Minute)
		ended <- err
	}()
	cancel()
	if err := <-ended; err == nil {
		fx.Error("no error from a cancelled wait")
	}
}

func listenEndsAfterItsWait(fx *fixture) {
	if s := fx.listen("r"); s != (task.Signal{}) {
		fx.Errorf("signal %+v", s)
	}
}

func signalsDoNotPileUp(fx *fixture) {
	ts := fx.startAll(20, task.Spec{ID: "t"})
	for _, t := range ts {
		fx.noError(fx.Store.Wake(fx.ctx, "r"))
		fx.stop(t.ID)
		_, err := fx.Store.Drain(fx.ctx, "r")
		fx.noError(err)
	}
	got := fx.Signals(fx, "r")
	if len(got) > 6 || !slices.Contains(got, "check") || !slices.Contains(got, "stop") || !slices.Contains(got, "drain") {
		fx.Errorf("signals %v", got)
	}
}

func drainRequestReachesTheReplica(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.ensureJoined("other")
	fx.noError(fx.Store.Wake(fx.ctx, "r")) // a pending signal must not hide the request
	asked, err := fx.Peer.Drain(fx.ctx, "r", "none")
	fx.noError(err)
	if d := cmp.Diff([]bool{true, false}, asked); d != "" {
		fx.Error("replicas on the list (-want +got):\n", d)
	}
	drains := false
	for range 2 {
		drains = drains || fx.listen("r").Drain
	}
	if !drains {
		fx.Error("no signal reports the drain request")
	}
	for range 2 {
		got, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "r", Lease: lease, Grace: grace, Held: held(t)})
		if !errors.Is(err, task.ErrDrain) || !slices.Equal(got.Verdicts, []task.Verdict{task.Kept}) {
			fx.Errorf("renewal: %v, %v", got, err)
		}
		if !fx.send(task.Exchange{}).Drain || !fx.send(task.Exchange{Sequence: 2}).Drain {
			fx.Error("the exchange does not report the drain request")
		}
	}
	if _, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "other", Lease: lease}); err != nil || fx.send(task.Exchange{Replica: "other"}).Drain {
		fx.Errorf("another replica got the drain request: %v", err)
	}
	replicas, err := fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	for _, r := range replicas {
		if r.Draining != (r.ID == "r") {
			fx.Errorf("replica %+v", r)
		}
	}
	if _, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "other", Lease: lease, Draining: true}); err != nil {
		fx.Errorf("the renewal of a replica that drains by itself: %v", err)
	}
	replicas, err = fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	for _, r := range replicas {
		if !r.Draining {
			fx.Errorf("replica %+v", r)
		}
	}
	for _, why := range []string{"cpu 97 %", "memory low", ""} {
		if _, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "other", Lease: lease, Refuses: why}); !errors.Is(err, task.ErrDrain) {
			fx.Errorf("the renewal of a draining replica: %v", err)
		}
		replicas, err = fx.Store.Replicas(fx.ctx)
		fx.noError(err)
		for _, r := range replicas {
			if want := map[string]string{"other": why}[r.ID]; r.Refuses != want {
				fx.Errorf("replica %s refuses because of %q, want %q", r.ID, r.Refuses, want)
			}
		}
	}
	away := []task.Outage{{Of: "the exporter of k", Since: time.UnixMilli(1_700_000_000_000), Error: strings.Repeat("refused ", 100)}}
	for i, says := range [][]task.Outage{away, nil, {}} { // nil is no change
		if _, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "other", Lease: lease, Outages: says}); !errors.Is(err, task.ErrDrain) {
			fx.Errorf("the renewal of a draining replica: %v", err)
		}
		replicas, err = fx.Store.Replicas(fx.ctx)
		fx.noError(err)
		for _, r := range replicas {
			if r.ID != "other" || i == 2 {
				if len(r.Outages) > 0 {
					fx.Errorf("replica %s has the outages %+v", r.ID, r.Outages)
				}
			} else if len(r.Outages) != 1 || r.Outages[0].Of != away[0].Of || !r.Outages[0].Since.Equal(away[0].Since) ||
				!strings.HasPrefix(r.Outages[0].Error, "refused ") || len(r.Outages[0].Error) > 512 {
				fx.Errorf("replica %s has the outages %+v", r.ID, r.Outages)
			}
		}
	}
	fx.noError(fx.Store.Leave(fx.ctx, "r"))
	if asked, err := fx.Store.Drain(fx.ctx, "r"); err != nil || asked[0] || len(fx.Signals(fx, "r")) > 0 {
		fx.Errorf("a replica that has left got a drain request: %v, %v", asked, err)
	}
}
