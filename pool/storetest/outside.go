package storetest

import (
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var outsideRules = []rule{
	{"DetachedTaskKeepsItsPlaceUnderAllLimits", detachedTaskCounts},
	{"DetachedTaskHasNoLease", detachedTaskHasNoLease},
	{"DetachedTaskIsListedAsOutside", detachedTaskIsListed},
	{"DetachOfAPartOfAClaimLeavesTheOthers", detachOfAPart},
	{"DetachOfAWholeClaimInOneCall", detachOfAWholeClaim},
	{"RepeatedDetachHasOneEffect", repeatedDetach},
	{"DetachWithoutATokenFailsTheTask", detachWithoutToken},
	{"DetachOfATaskToStopEndsIt", detachOfATaskToStop},
	{"StopEndsATaskOutsideAtOnce", stopOfATaskOutside},
	{"TimeOutsideIsATimeout", timeOutside},
	{"DeadlineHoldsOutside", deadlineOutside},
	{"LeaverLeavesItsTasksOutside", leaverLeavesTasksOutside},
	{"TokenOfAnEndedAttemptIsNotIssued", tokenOfAnEndedAttempt},
	{"DetachKeepsLogAndMeta", detachKeepsLogAndMeta},
}

// token issues a token for a running attempt.
func (fx *fixture) token(t *task.Task) string {
	fx.Helper()
	token := task.NewToken(t.ID)
	id, hash, err := task.ParseToken(token)
	fx.noError(err)
	if id != t.ID {
		fx.Fatalf("the token of %s names %s", t.ID, id)
	}
	fx.noError(fx.Store.IssueToken(fx.ctx, t.Queue, attempt(t), hash))
	return token
}

func detached(t *task.Task, within time.Duration) task.Report {
	r := reportOn(t, task.Detached, task.CodeDetached)
	r.Delay = within
	return r
}

// outside starts a task and detaches it. It returns the task and its token.
func (fx *fixture) outside(spec task.Spec, within time.Duration) (*task.Task, string) {
	fx.Helper()
	t := fx.start(spec)
	token := fx.token(t)
	fx.accept(detached(t, within))
	return t, token
}

func (fx *fixture) deliver(token string, r task.OutsideReport) {
	fx.Helper()
	if err := fx.Store.Report(fx.ctx, token, r); err != nil {
		fx.Fatalf("report %s: %v", r.State, err)
	}
}

func (fx *fixture) unknownToken(token string, r task.OutsideReport) {
	fx.Helper()
	if err := fx.Store.Report(fx.ctx, token, r); !errors.Is(err, task.ErrUnknownToken) {
		fx.Errorf("report %s with a token that is not valid: %v", r.State, err)
	}
}

func detachedTaskCounts(fx *fixture) {
	for i, scope := range []task.Scope{task.QueueScope, task.GroupScope, task.PoolScope} {
		name := map[task.Scope]string{task.QueueScope: "q", task.GroupScope: "g"}[scope]
		fx.limit(scope, name, 1)
		_, token := fx.outside(task.Spec{ID: "x", Queue: "q", Group: "g"}, time.Hour)
		fx.enqueue(task.Spec{ID: "next", Queue: "q", Group: "g"})
		fx.wantIDs(fx.claim("q", 9))
		fx.maintain()
		if s := fx.stats(); s.Running != 1 || s.Outside != 1 {
			fx.Errorf("limit %d: %d running, %d outside", i, s.Running, s.Outside)
		}
		fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
		next := fx.claim("q", 9)
		fx.wantIDs(next, "next")
		fx.accept(succeed(next[0]))
		fx.limit(scope, name, 100)
	}
}

func detachedTaskHasNoLease(fx *fixture) {
	t, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	if v := fx.renew("r", lease, held(t)...); v[0] != task.LeaseLost {
		fx.Errorf("renewal: %s", v[0])
	}
	fx.verdict(succeed(t), task.LeaseLost)
	if u := fx.maintain(); u.Lost != 0 || u.TimedOut != 0 || u.Next > time.Hour || u.Next < time.Minute {
		fx.Errorf("maintenance %+v", u)
	}
	got := fx.wantState("x", task.Running)
	if got.Fence != t.Fence || got.Attempt != 1 {
		fx.Errorf("fence %d, attempt %d", got.Fence, got.Attempt)
	}
	fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
	fx.wantNoTraceBut("x", "reported:")
}

func detachedTaskIsListed(fx *fixture) {
	before := fx.Now(fx)
	t, _ := fx.outside(task.Spec{ID: "x", Group: "g"}, time.Hour)
	got := fx.get("x")
	if got.OutsideUntil.Before(before.Add(time.Hour-time.Millisecond)) || got.OutsideUntil.After(fx.Now(fx).Add(time.Hour)) {
		fx.Errorf("outside until %v, detached after %v", got.OutsideUntil, before)
	}
	for listed, err := range fx.Store.Tasks(fx.ctx, task.Filter{States: []task.State{task.Running}}) {
		fx.noError(err)
		if !listed.OutsideUntil.Equal(got.OutsideUntil) || listed.Replica != "r" {
			fx.Errorf("listed %+v", listed)
		}
	}
	es := fx.eventsOf("x")
	if e := es[len(es)-1]; e.State != task.Running || e.Code != task.CodeDetached || e.Attempt != t.Attempt || e.Version != t.Version+1 || e.Replica != "r" {
		fx.Errorf("event %+v", e)
	}
}

func detachOfAPart(fx *fixture) {
	ts := fx.startAll(3, task.Spec{ID: "t"})
	token := fx.token(ts[1])
	r := detached(ts[1], time.Hour)
	r.Last = false
	fx.accept(r)
	if v := fx.renew("r", lease, task.HeldClaim{Fence: ts[0].Fence, Held: 2, Left: time.Hour}); v[0] != task.Kept {
		fx.Errorf("renewal: %s", v[0])
	}
	rest := succeed(ts[0])
	rest.Last = false
	fx.accept(rest)
	fx.loseLeases(ts[2])
	fx.wantEnd("t2", task.Waiting, task.CodeLost)
	fx.wantState("t1", task.Running)
	fx.deliver(token, task.OutsideReport{State: task.ReportSucceeded})
}

func detachOfAWholeClaim(fx *fixture) {
	ts := fx.startAll(3, task.Spec{ID: "t"})
	var reports []task.Report
	var tokens []string
	for _, t := range ts {
		tokens, reports = append(tokens, fx.token(t)), append(reports, detached(t, time.Hour))
	}
	fx.accept(reports...)
	for i, t := range ts {
		if got := fx.wantState(t.ID, task.Running); got.Version != t.Version+1 || got.OutsideUntil.IsZero() {
			fx.Errorf("%+v", got)
		}
		fx.deliver(tokens[i], task.OutsideReport{State: task.ReportSucceeded})
	}
}

func repeatedDetach(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.token(t)
	x := fx.complete(task.Exchange{Reports: []task.Report{detached(t, time.Hour)}})
	for range 2 {
		if got := fx.send(x); got.Verdicts[0] != task.Accepted || len(got.Claimed) != 0 {
			fx.Errorf("answer %+v", got)
		}
	}
	if got := fx.get("x"); got.Version != t.Version+1 || got.State != task.Running {
		fx.Errorf("version %d, %s", got.Version, got.State)
	}
}

func detachWithoutToken(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	fx.accept(detached(t, time.Hour))
	fx.wantEnd("x", task.Failed, task.CodePermanent)
}

func detachOfATaskToStop(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	token := fx.token(t)
	fx.stop("x")
	fx.accept(detached(t, time.Hour))
	if got := fx.wantEnd("x", task.Stopped, task.CodeStopped); got.Error != "enough" {
		fx.Errorf("error %q", got.Error)
	}
	fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded})
	fx.wantStops("r", nil)
}

func stopOfATaskOutside(fx *fixture) {
	fx.limit(task.QueueScope, task.DefaultQueue, 1)
	_, token := fx.outside(task.Spec{ID: "x", Group: "g", Unique: "u"}, time.Hour)
	fx.enqueue(task.Spec{ID: "next", Group: "g"})
	if c := fx.stop("x"); !c.Done || c.State != task.Stopped {
		fx.Errorf("change %+v", c)
	}
	got := fx.wantEnd("x", task.Stopped, task.CodeStopped)
	if got.Error != "enough" || !got.OutsideUntil.IsZero() {
		fx.Errorf("%+v", got)
	}
	if h := fx.history("x"); len(h) != 1 || h[0].Code != task.CodeStopped {
		fx.Errorf("history %+v", h)
	}
	fx.unchanged("x", func() { fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded}) })
	fx.wantIDs(fx.claim(task.DefaultQueue, 9), "next")
}

func timeOutside(fx *fixture) {
	t, token := fx.outside(task.Spec{ID: "x", MaxAttempts: 2, Backoff: task.Backoff{Fixed: true, Base: time.Millisecond}}, time.Millisecond)
	fx.waitPast(time.Millisecond)
	if u := fx.maintain(); u.TimedOut != 1 || u.Lost != 0 || u.Claims != 0 {
		fx.Errorf("maintenance %+v", u)
	}
	got := fx.get("x")
	if got.Code != task.CodeTimeout || got.Failures != 1 || got.Lost != 0 || got.Error == "" {
		fx.Errorf("%+v", got)
	}
	fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded})
	if h := fx.history("x"); len(h) != 1 || h[0].Code != task.CodeTimeout || h[0].Replica != "r" || h[0].Attempt != t.Attempt {
		fx.Errorf("history %+v", h)
	}
	fx.waitPast(2 * time.Millisecond)
	again := fx.claim(task.DefaultQueue, 1)
	fx.wantIDs(again, "x")
	second := fx.token(again[0])
	fx.accept(detached(again[0], time.Millisecond))
	fx.unknownToken(token, task.OutsideReport{State: task.ReportSucceeded})
	fx.waitPast(time.Millisecond)
	fx.maintain()
	fx.wantEnd("x", task.Failed, task.CodeTimeout)
	fx.unknownToken(second, task.OutsideReport{State: task.ReportSucceeded})
}

func deadlineOutside(fx *fixture) {
	t, _ := fx.startShort(func(short time.Duration) task.Spec { return task.Spec{ID: "x", Deadline: short} })
	fx.token(t)
	fx.accept(detached(t, time.Hour))
	fx.waitPast(t.DeadlineAt.Sub(fx.Now(fx)))
	fx.maintain()
	fx.wantEnd("x", task.Failed, task.CodeDeadline)
}

func leaverLeavesTasksOutside(fx *fixture) {
	_, token := fx.outside(task.Spec{ID: "x"}, time.Hour)
	fx.noError(fx.Store.Leave(fx.ctx, "r"))
	delete(fx.joined, "r")
	fx.maintain()
	fx.wantState("x", task.Running)
	if err := fx.Peer.Report(fx.ctx, token, task.OutsideReport{State: task.ReportSucceeded, Result: []byte("7")}); err != nil {
		fx.Fatal(err)
	}
	if got := fx.wantEnd("x", task.Succeeded, task.CodeOK); string(got.Result) != "7" {
		fx.Errorf("result %q", got.Result)
	}
}

func tokenOfAnEndedAttempt(fx *fixture) {
	t := fx.start(task.Spec{ID: "x", Retain: ptr(time.Hour)})
	_, hash, err := task.ParseToken(task.NewToken("x"))
	fx.noError(err)
	refused := func(when string) {
		fx.Helper()
		fx.unchanged("x", func() {
			if err := fx.Store.IssueToken(fx.ctx, t.Queue, attempt(t), hash); !errors.Is(err, task.ErrLeaseLost) {
				fx.Errorf("%s: %v", when, err)
			}
		})
	}
	fx.token(t)
	fx.accept(detached(t, time.Hour))
	refused("outside")
	fx.stop("x")
	refused("stopped")
	fx.remove("x")
	if err := fx.Store.IssueToken(fx.ctx, t.Queue, attempt(t), hash); !errors.Is(err, task.ErrLeaseLost) {
		fx.Errorf("removed: %v", err)
	}
	fx.wantNoTrace("x")
}

func detachKeepsLogAndMeta(fx *fixture) {
	t := fx.start(task.Spec{ID: "x"})
	token := fx.token(t)
	r := detached(t, time.Hour)
	r.Log, r.LogSize, r.Meta = "started job 7\n", 14, task.Meta{"job": "7"}
	fx.accept(r)
	if got := fx.get("x"); got.Log != r.Log || got.LogSize != 14 {
		fx.Errorf("log %q of %d bytes", got.Log, got.LogSize)
	}
	fx.deliver(token, task.OutsideReport{State: task.ReportFailed, Error: "broke", Permanent: true})
	if h := fx.history("x"); len(h) != 1 || h[0].Log != r.Log || h[0].LogSize != 14 || h[0].Error != "broke" {
		fx.Errorf("history %+v", h)
	}
	if es := fx.eventsOf("x"); es[len(es)-1].Meta["job"] != "7" {
		fx.Errorf("the last event %+v", es[len(es)-1])
	}
}
