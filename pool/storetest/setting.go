package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var settingRules = []rule{
	{"NewestConfigurationWins", newestConfigurationWins},
	{"LiveSettingHoldsUntilAConfigurationChanges", liveSettingHolds},
	{"RaisedDefaultOfAConfigurationIsUsedAtOnce", raisedDefaultOfAConfiguration},
	{"ReplicaDescribesItself", replicaDescribesItself},
	{"DeadReplicaIsTakenOffTheList", deadReplica},
	{"PausedReplicaHasToJoinAgain", pausedReplicaHasToJoinAgain},
	{"UnknownReplicaReportsAndClaimsNothing", unknownReplicaReports},
	{"LeavingReplicaIsGone", leavingReplicaIsGone},
	{"UnknownScopeIsRefused", unknownScope},
	{"QueueThatIsNotInUseCanBeForgotten", forgottenQueue},
}

func forgottenQueue(b *bundle) {
	names := func() (names []string) {
		for _, q := range b.stats().Queues {
			names = append(names, q.Name)
		}
		return names
	}
	forget := func(queue string, want error) {
		b.Helper()
		if err := b.Store.ForgetQueue(b.ctx, queue); !errors.Is(err, want) {
			b.Errorf("forget %s: %v, want %v", queue, err, want)
		}
	}
	b.configure(task.Setting{Scope: task.QueueScope, Name: "q", Limit: ptr(1), MaxLen: ptr(1), Pause: ptr(true)})
	b.limit(task.GroupScope, "g", 1)
	t := b.start(task.Spec{Queue: "runs", Group: "g"})
	b.enqueue(task.Spec{Queue: "held", Group: "g"})
	ended := b.enqueue(task.Spec{Queue: "ended"})
	b.stop(ended)
	due := b.enqueue(task.Spec{Queue: "due", Delay: time.Hour})
	b.join(task.Registration{Replica: "server", Queues: map[string]task.QueueConfig{"served": {Workers: 1, Limit: 5}}})

	forget("nosuch", task.ErrNoQueue)
	b.Push(b, `{"kind":"k","id":"pushed","queue":"q"}`)
	forget("q", task.ErrQueueInUse) // its limit and pause apply to that entry
	b.admit()
	b.stop("pushed")
	for _, queue := range []string{"runs", "held", "due", "served"} {
		forget(queue, task.ErrQueueInUse)
	}
	forget("q", nil)
	forget("q", task.ErrNoQueue)
	forget("ended", nil)
	b.stop(due)
	forget("due", nil)
	b.accept(succeed(t))
	forget("runs", nil)
	b.ok(b.Store.Leave(b.ctx, "server"))
	forget("served", nil)
	// Its next renewal may put it on the list again, without setting its limit again.
	b.join(task.Registration{Replica: "silent", Lease: time.Millisecond, Queues: map[string]task.QueueConfig{"asleep": {Workers: 1, Limit: 1}}})
	b.passes(5 * time.Millisecond)
	forget("asleep", task.ErrQueueInUse)
	b.ok(b.Store.Leave(b.ctx, "silent"))
	forget("asleep", nil)
	if got := names(); !cmp.Equal(got, []string{"held"}) {
		b.Errorf("the queues are %v", got)
	}

	b.retry(ended)
	b.wantIDs(b.claim("ended", 2), ended)
	// Two more than the cap allows, and both start: the settings are gone.
	b.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"})
	if n := len(b.claim("q", 2)); n != 2 {
		b.Errorf("%d tasks start in a forgotten queue that had a limit and a pause", n)
	}
	b.join(task.Registration{Replica: "server", Queues: map[string]task.QueueConfig{"served": {Workers: 1, Limit: 5}}})
	for _, q := range b.stats().Queues {
		if want := map[string]int{"served": 5}[q.Name]; q.Limit != want {
			b.Errorf("the limit of %s is %d, want %d", q.Name, q.Limit, want)
		}
	}
}

func (b *bundle) join(r task.Registration) []string {
	b.Helper()
	if r.Lease == 0 {
		r.Lease = lease
	}
	warnings, err := b.Store.Join(b.ctx, r)
	b.ok(err)
	if b.on == nil {
		b.on = map[string]bool{}
	}
	b.on[r.Replica] = true
	return warnings
}

func configured(replica string, limit int) task.Registration {
	return task.Registration{Replica: replica, Queues: map[string]task.QueueConfig{"q": {Workers: 1, Limit: limit, MaxLen: 100}},
		Limit: 50, Groups: task.Groups{DefaultLimit: 5, Limits: map[string]int{"g": limit}}}
}

func newestConfigurationWins(b *bundle) {
	if w := b.join(configured("a", 2)); len(w) != 0 {
		b.Errorf("warnings of the first: %v", w)
	}
	if w := b.join(configured("b", 2)); len(w) != 0 {
		b.Errorf("warnings of an equal one: %v", w)
	}
	w := b.join(configured("c", 3))
	if text := strings.Join(w, "\n"); len(w) != 2 || !strings.Contains(text, "limit:queue:q was 2") || !strings.Contains(text, "limit:group:g was 2") {
		b.Errorf("warnings of another one: %v", w)
	}
	b.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"})
	if n := len(b.claim("q", 9)); n != 3 {
		b.Errorf("%d started, want the newest limit", n)
	}
	s := b.stats()
	if q := s.Queues[0]; q.Limit != 3 || q.MaxLen != 100 || s.Limit != 50 {
		b.Errorf("stats: %+v, pool limit %d", q, s.Limit)
	}
	// What a replica does not configure it leaves alone.
	b.join(task.Registration{Replica: "d", Queues: map[string]task.QueueConfig{"q": {Workers: 1}}})
	if q := b.stats().Queues[0]; q.Limit != 3 {
		b.Errorf("stats: %+v", q)
	}
}

func liveSettingHolds(b *bundle) {
	b.join(configured("a", 2))
	b.limit(task.QueueScope, "q", 7)
	b.enqueue(task.Spec{Queue: "q"})
	b.join(configured("b", 2))
	if q := b.stats().Queues[0]; q.Limit != 7 {
		b.Errorf("a replica with the same configuration reset the live limit: %+v", q)
	}
	b.join(configured("c", 4))
	if q := b.stats().Queues[0]; q.Limit != 4 {
		b.Errorf("a changed configuration does not hold: %+v", q)
	}
}

func raisedDefaultOfAConfiguration(b *bundle) {
	b.join(task.Registration{Replica: "a", Groups: task.Groups{DefaultLimit: 1}})
	for range 4 {
		b.enqueue(task.Spec{Queue: "q", Group: "g"})
	}
	if n := len(b.claim("q", 9)); n != 1 {
		b.Errorf("%d started", n)
	}
	b.serve("w", "q")
	b.sleep("w")
	b.join(task.Registration{Replica: "b", Groups: task.Groups{DefaultLimit: 3}})
	b.wantSignals("default raised", "w q:q")
	if n := len(b.claim("q", 9)); n != 2 {
		b.Errorf("%d more started, want 2", n)
	}
}

func replicaDescribesItself(b *bundle) {
	before := b.Now(b)
	b.join(task.Registration{Replica: "r", Host: "host", PID: 7, Version: "v1", Kinds: map[string]task.Policy{"b": {}, "a": {}},
		Queues: map[string]task.QueueConfig{"p": {Workers: 2}, "q": {Workers: 3}}})
	t := b.start(task.Spec{})
	b.heartbeat(task.Renewal{Stuck: 2, Held: held(t)})
	rs, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	if len(rs) != 1 {
		b.Fatalf("%d replicas", len(rs))
	}
	r := rs[0]
	if r.ID != "r" || r.Host != "host" || r.PID != 7 || r.Version != "v1" || r.Running != 1 || r.Stuck != 2 || len(r.Kinds) != 2 {
		b.Errorf("replica %+v", r)
	}
	if d := cmp.Diff(map[string]int{"p": 2, "q": 3}, r.Queues); d != "" {
		b.Error(d)
	}
	if r.StartedAt.Before(before) || r.SeenAt.Before(r.StartedAt) {
		b.Errorf("started %v, seen %v", r.StartedAt, r.SeenAt)
	}
	b.join(task.Registration{Replica: "r", Up: time.Hour}) // again
	rs, err = b.Store.Replicas(b.ctx)
	b.ok(err)
	if up := rs[0].SeenAt.Sub(rs[0].StartedAt); up != time.Hour {
		b.Errorf("it has run for %v, want an hour", up)
	}
}

func deadReplica(b *bundle) {
	b.join(task.Registration{Replica: "dead", Lease: time.Millisecond})
	b.join(task.Registration{Replica: "alive"})
	b.passes(time.Millisecond)
	b.maintain()
	rs, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	if len(rs) != 1 || rs[0].ID != "alive" {
		b.Errorf("replicas %+v", rs)
	}
	if s := b.stats(); s.Replicas != 1 {
		b.Errorf("%d replicas in the stats", s.Replicas)
	}
}

// A process that was stopped for longer than its lease is off the list: it may
// not claim before it has published its configuration again.
func pausedReplicaHasToJoinAgain(b *bundle) {
	r := task.Registration{Replica: "r", Host: "host", Lease: time.Millisecond, Kinds: map[string]task.Policy{"k": {}}}
	b.join(r)
	b.passes(time.Millisecond)
	b.maintain()
	b.enqueue(task.Spec{ID: "x"})
	if _, err := b.Store.Renew(b.ctx, task.Renewal{Replica: "r", Lease: lease}); !errors.Is(err, task.ErrNotJoined) {
		b.Errorf("renew: %v", err)
	}
	x := task.Exchange{Replica: "r", Sequence: 1, Call: 1, Lease: lease, Grace: grace, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}
	if got, err := b.Store.Exchange(b.ctx, x); !errors.Is(err, task.ErrNotJoined) || len(got.Claimed) != 0 {
		b.Errorf("claim: %+v, %v", got, err)
	}
	b.wantState("x", task.Waiting)
	r.Lease = lease
	b.join(r)
	b.calls[sequence{"r", 1}] = 1
	b.wantIDs(b.claim(task.DefaultQueue, 1), "x")
	rs, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	if len(rs) != 1 || rs[0].Host != "host" || len(rs[0].Kinds) != 1 {
		b.Errorf("replicas %+v", rs)
	}
}

func unknownReplicaReports(b *bundle) {
	ts := b.startAll(2, task.Spec{ID: "t"})
	b.enqueue(task.Spec{ID: "x"})
	b.ok(b.Store.Leave(b.ctx, "r"))
	got, err := b.Store.Renew(b.ctx, task.Renewal{Replica: "r", Lease: lease, Grace: grace, Held: held(ts...)})
	if !errors.Is(err, task.ErrNotJoined) || !slices.Equal(got.Verdicts, []task.Verdict{task.Kept}) {
		b.Errorf("renewal: %+v, %v", got, err)
	}
	x := task.Exchange{Replica: "r", Sequence: 1, Call: 9, Lease: lease, Grace: grace,
		Reports: []task.Report{succeed(ts[0])}, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}
	answered, err := b.Store.Exchange(b.ctx, x)
	if !errors.Is(err, task.ErrNotJoined) || len(answered.Claimed) != 0 || !slices.Equal(answered.Verdicts, []task.Verdict{task.Accepted}) {
		b.Errorf("exchange: %+v, %v", answered, err)
	}
	b.wantNoTrace("t0")
	b.wantState("t1", task.Running)
	b.wantState("x", task.Waiting)
	if rs, err := b.Store.Replicas(b.ctx); err != nil || len(rs) != 0 {
		b.Errorf("replicas %+v, %v: neither call may put it back on the list", rs, err)
	}
}

func leavingReplicaIsGone(b *bundle) {
	b.join(task.Registration{Replica: "r"})
	b.ok(b.Store.Wake(b.ctx, "r"))
	b.ok(b.Store.Leave(b.ctx, "r"))
	b.ok(b.Store.Leave(b.ctx, "r"))
	rs, err := b.Store.Replicas(b.ctx)
	b.ok(err)
	if signals := b.Signals(b, "r"); len(rs) != 0 || len(signals) != 0 {
		b.Errorf("replicas %+v, signals %v", rs, signals)
	}
}

func unknownScope(b *bundle) {
	if err := b.Store.Configure(b.ctx, task.Setting{Scope: "world", Limit: ptr(1)}); err == nil {
		b.Error("no error")
	}
}
