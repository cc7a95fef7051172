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
	{"ReplicaListShowsTheRegistration", replicaListShowsTheRegistration},
	{"DeadReplicaIsRemovedFromTheList", deadReplica},
	{"PausedReplicaHasToJoinAgain", pausedReplicaHasToJoinAgain},
	{"UnknownReplicaReportsAndClaimsNothing", unknownReplicaReports},
	{"LeavingReplicaIsGone", leavingReplicaIsGone},
	{"UnknownScopeIsRefused", unknownScope},
	{"QueueThatIsNotInUseCanBeForgotten", forgottenQueue},
}

func forgottenQueue(fx *fixture) {
	names := func() (names []string) {
		for _, q := range fx.stats().Queues {
			names = append(names, q.Name)
		}
		return names
	}
	forget := func(queue string, want error) {
		fx.Helper()
		if err := fx.Store.ForgetQueue(fx.ctx, queue); !errors.Is(err, want) {
			fx.Errorf("forget %s: %v, want %v", queue, err, want)
		}
	}
	fx.configure(task.Setting{Scope: task.QueueScope, Name: "q", Limit: ptr(1), MaxLen: ptr(1), Pause: ptr(true)})
	fx.limit(task.GroupScope, "g", 1)
	t := fx.start(task.Spec{Queue: "runs", Group: "g"})
	fx.enqueue(task.Spec{Queue: "held", Group: "g"})
	ended := fx.enqueue(task.Spec{Queue: "ended"})
	fx.stop(ended)
	due := fx.enqueue(task.Spec{Queue: "due", Delay: time.Hour})
	fx.join(task.Registration{Replica: "server", Queues: map[string]task.QueueConfig{"served": {Workers: 1, Limit: 5}}})

	forget("nosuch", task.ErrNoQueue)
	fx.Push(fx, `{"kind":"k","id":"pushed","queue":"q"}`)
	forget("q", task.ErrQueueInUse) // the limit and pause of q apply to the inbox entry
	fx.admit()
	fx.stop("pushed")
	for _, queue := range []string{"runs", "held", "due", "served"} {
		forget(queue, task.ErrQueueInUse)
	}
	forget("q", nil)
	forget("q", task.ErrNoQueue)
	forget("ended", nil)
	fx.stop(due)
	forget("due", nil)
	fx.accept(succeed(t))
	forget("runs", nil)
	fx.noError(fx.Store.Leave(fx.ctx, "server"))
	forget("served", nil)
	// The next renewal of a silent replica may put it back on the list without its limit.
	fx.join(task.Registration{Replica: "silent", Lease: time.Millisecond, Queues: map[string]task.QueueConfig{"asleep": {Workers: 1, Limit: 1}}})
	fx.waitPast(5 * time.Millisecond)
	forget("asleep", task.ErrQueueInUse)
	fx.noError(fx.Store.Leave(fx.ctx, "silent"))
	forget("asleep", nil)
	if got := names(); !cmp.Equal(got, []string{"held"}) {
		fx.Errorf("the queues are %v", got)
	}

	fx.retry(ended)
	fx.wantIDs(fx.claim("ended", 2), ended)
	// Both tasks are accepted and start: cap, limit and pause are gone.
	fx.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"})
	if n := len(fx.claim("q", 2)); n != 2 {
		fx.Errorf("%d tasks start in a forgotten queue that had a limit and a pause", n)
	}
	fx.join(task.Registration{Replica: "server", Queues: map[string]task.QueueConfig{"served": {Workers: 1, Limit: 5}}})
	for _, q := range fx.stats().Queues {
		if want := map[string]int{"served": 5}[q.Name]; q.Limit != want {
			fx.Errorf("the limit of %s is %d, want %d", q.Name, q.Limit, want)
		}
	}
}

func (fx *fixture) join(r task.Registration) []string {
	fx.Helper()
	if r.Lease == 0 {
		r.Lease = lease
	}
	warnings, err := fx.Store.Join(fx.ctx, r)
	fx.noError(err)
	if fx.joined == nil {
		fx.joined = map[string]bool{}
	}
	fx.joined[r.Replica] = true
	return warnings
}

func configured(replica string, limit int) task.Registration {
	return task.Registration{Replica: replica, Queues: map[string]task.QueueConfig{"q": {Workers: 1, Limit: limit, MaxLen: 100}},
		Limit: 50, Groups: task.Groups{DefaultLimit: 5, Limits: map[string]int{"g": limit}}}
}

func newestConfigurationWins(fx *fixture) {
	if w := fx.join(configured("a", 2)); len(w) != 0 {
		fx.Errorf("warnings of the first: %v", w)
	}
	if w := fx.join(configured("b", 2)); len(w) != 0 {
		fx.Errorf("warnings of an equal one: %v", w)
	}
	w := fx.join(configured("c", 3))
	if text := strings.Join(w, "\n"); len(w) != 2 || !strings.Contains(text, "queues.q.limit was 2 and is now 3") || !strings.Contains(text, "groups.limits.g was 2 and is now 3") {
		fx.Errorf("warnings of another one: %v", w)
	}
	fx.enqueueAll(task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"}, task.Spec{Queue: "q"})
	if n := len(fx.claim("q", 9)); n != 3 {
		fx.Errorf("%d started, want the newest limit", n)
	}
	s := fx.stats()
	if q := s.Queues[0]; q.Limit != 3 || q.MaxLen != 100 || s.Limit != 50 {
		fx.Errorf("stats: %+v, pool limit %d", q, s.Limit)
	}
	// A replica does not change settings that it does not configure.
	fx.join(task.Registration{Replica: "d", Queues: map[string]task.QueueConfig{"q": {Workers: 1}}})
	if q := fx.stats().Queues[0]; q.Limit != 3 {
		fx.Errorf("stats: %+v", q)
	}
}

func liveSettingHolds(fx *fixture) {
	fx.join(configured("a", 2))
	fx.limit(task.QueueScope, "q", 7)
	fx.enqueue(task.Spec{Queue: "q"})
	fx.join(configured("b", 2))
	if q := fx.stats().Queues[0]; q.Limit != 7 {
		fx.Errorf("a replica with the same configuration reset the live limit: %+v", q)
	}
	fx.join(configured("c", 4))
	if q := fx.stats().Queues[0]; q.Limit != 4 {
		fx.Errorf("a changed configuration does not hold: %+v", q)
	}
}

func raisedDefaultOfAConfiguration(fx *fixture) {
	fx.join(task.Registration{Replica: "a", Groups: task.Groups{DefaultLimit: 1}})
	for range 4 {
		fx.enqueue(task.Spec{Queue: "q", Group: "g"})
	}
	if n := len(fx.claim("q", 9)); n != 1 {
		fx.Errorf("%d started", n)
	}
	fx.serve("w", "q")
	fx.becomeIdle("w")
	fx.join(task.Registration{Replica: "b", Groups: task.Groups{DefaultLimit: 3}})
	fx.wantSignals("default raised", "w q:q")
	if n := len(fx.claim("q", 9)); n != 2 {
		fx.Errorf("%d more started, want 2", n)
	}
}

func replicaListShowsTheRegistration(fx *fixture) {
	before := fx.Now(fx)
	fx.join(task.Registration{Replica: "r", Host: "host", PID: 7, Version: "v1", Kinds: map[string]task.Policy{"b": {}, "a": {}},
		Queues: map[string]task.QueueConfig{"p": {Workers: 2}, "q": {Workers: 3}}})
	t := fx.start(task.Spec{})
	fx.heartbeat(task.Renewal{Stuck: 2, Held: held(t)})
	rs, err := fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	if len(rs) != 1 {
		fx.Fatalf("%d replicas", len(rs))
	}
	r := rs[0]
	if r.ID != "r" || r.Host != "host" || r.PID != 7 || r.Version != "v1" || r.Running != 1 || r.Stuck != 2 || len(r.Kinds) != 2 {
		fx.Errorf("replica %+v", r)
	}
	if d := cmp.Diff(map[string]int{"p": 2, "q": 3}, r.Queues); d != "" {
		fx.Error(d)
	}
	if r.StartedAt.Before(before) || r.SeenAt.Before(r.StartedAt) {
		fx.Errorf("started %v, seen %v", r.StartedAt, r.SeenAt)
	}
	fx.join(task.Registration{Replica: "r", Up: time.Hour}) // again
	rs, err = fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	if up := rs[0].SeenAt.Sub(rs[0].StartedAt); up != time.Hour {
		fx.Errorf("it has run for %v, want an hour", up)
	}
}

func deadReplica(fx *fixture) {
	fx.join(task.Registration{Replica: "dead", Lease: time.Millisecond})
	fx.join(task.Registration{Replica: "alive"})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	rs, err := fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	if len(rs) != 1 || rs[0].ID != "alive" {
		fx.Errorf("replicas %+v", rs)
	}
	if s := fx.stats(); s.Replicas != 1 {
		fx.Errorf("%d replicas in the stats", s.Replicas)
	}
}

// A process that was suspended for longer than its lease is not on the list any more.
// It must publish its configuration again before it may claim.
func pausedReplicaHasToJoinAgain(fx *fixture) {
	r := task.Registration{Replica: "r", Host: "host", Lease: time.Millisecond, Kinds: map[string]task.Policy{"k": {}}}
	fx.join(r)
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.enqueue(task.Spec{ID: "x"})
	if _, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "r", Lease: lease}); !errors.Is(err, task.ErrNotJoined) {
		fx.Errorf("renew: %v", err)
	}
	x := task.Exchange{Replica: "r", Sequence: 1, Call: 1, Lease: lease, Grace: grace, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}
	if got, err := fx.Store.Exchange(fx.ctx, x); !errors.Is(err, task.ErrNotJoined) || len(got.Claimed) != 0 {
		fx.Errorf("claim: %+v, %v", got, err)
	}
	fx.wantState("x", task.Waiting)
	r.Lease = lease
	fx.join(r)
	fx.calls[sequence{"r", 1}] = 1
	fx.wantIDs(fx.claim(task.DefaultQueue, 1), "x")
	rs, err := fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	if len(rs) != 1 || rs[0].Host != "host" || len(rs[0].Kinds) != 1 {
		fx.Errorf("replicas %+v", rs)
	}
}

func unknownReplicaReports(fx *fixture) {
	ts := fx.startAll(2, task.Spec{ID: "t"})
	fx.enqueue(task.Spec{ID: "x"})
	fx.noError(fx.Store.Leave(fx.ctx, "r"))
	got, err := fx.Store.Renew(fx.ctx, task.Renewal{Replica: "r", Lease: lease, Grace: grace, Held: held(ts...)})
	if !errors.Is(err, task.ErrNotJoined) || !slices.Equal(got.Verdicts, []task.Verdict{task.Kept}) {
		fx.Errorf("renewal: %+v, %v", got, err)
	}
	x := task.Exchange{Replica: "r", Sequence: 1, Call: 9, Lease: lease, Grace: grace,
		Reports: []task.Report{succeed(ts[0])}, Claims: []task.Claim{{Queue: task.DefaultQueue, N: 1}}}
	answered, err := fx.Store.Exchange(fx.ctx, x)
	if !errors.Is(err, task.ErrNotJoined) || len(answered.Claimed) != 0 || !slices.Equal(answered.Verdicts, []task.Verdict{task.Accepted}) {
		fx.Errorf("exchange: %+v, %v", answered, err)
	}
	fx.wantNoTrace("t0")
	fx.wantState("t1", task.Running)
	fx.wantState("x", task.Waiting)
	if rs, err := fx.Store.Replicas(fx.ctx); err != nil || len(rs) != 0 {
		fx.Errorf("replicas %+v, %v: neither call may put it back on the list", rs, err)
	}
}

func leavingReplicaIsGone(fx *fixture) {
	fx.join(task.Registration{Replica: "r"})
	fx.noError(fx.Store.Wake(fx.ctx, "r"))
	fx.noError(fx.Store.Leave(fx.ctx, "r"))
	fx.noError(fx.Store.Leave(fx.ctx, "r"))
	rs, err := fx.Store.Replicas(fx.ctx)
	fx.noError(err)
	if signals := fx.Signals(fx, "r"); len(rs) != 0 || len(signals) != 0 {
		fx.Errorf("replicas %+v, signals %v", rs, signals)
	}
}

func unknownScope(fx *fixture) {
	if err := fx.Store.Configure(fx.ctx, task.Setting{Scope: "world", Limit: ptr(1)}); err == nil {
		fx.Error("no error")
	}
}
