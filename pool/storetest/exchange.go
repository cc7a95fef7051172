package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	lease = time.Minute
	grace = time.Second
)

// sequence is one of the two request sequences of a replica.
type sequence struct {
	replica string
	n       int
}

// complete fills in the defaults of an exchange: replica "r", sequence 1, the next call
// number, lease and grace. It joins the replica if necessary.
func (fx *fixture) complete(x task.Exchange) task.Exchange {
	fx.Helper()
	if x.Replica == "" {
		x.Replica = "r"
	}
	fx.ensureJoined(x.Replica)
	if x.Sequence == 0 {
		x.Sequence = 1
	}
	if x.Lease == 0 {
		x.Lease = lease
	}
	if x.Grace == 0 {
		x.Grace = grace
	}
	if x.Call == 0 {
		l := sequence{x.Replica, x.Sequence}
		fx.calls[l]++
		x.Call = fx.calls[l]
	}
	return x
}

// ensureJoined joins a replica that has not joined.
func (fx *fixture) ensureJoined(replica string) {
	fx.Helper()
	if !fx.joined[replica] {
		fx.join(task.Registration{Replica: replica, Lease: time.Hour})
	}
}

// send completes an exchange, makes it and checks the form of the answer.
func (fx *fixture) send(x task.Exchange) task.Exchanged {
	fx.Helper()
	x = fx.complete(x)
	got, err := fx.Store.Exchange(fx.ctx, x)
	fx.noError(err)
	if len(got.Verdicts) != len(x.Reports) || len(got.Short) != len(x.Claims) {
		fx.Fatalf("%d verdicts on %d reports, %d marks for %d claims", len(got.Verdicts), len(x.Reports), len(got.Short), len(x.Claims))
	}
	asked := map[string]int{}
	for _, c := range x.Claims {
		asked[c.Queue] += c.N
	}
	for _, c := range got.Claimed {
		if asked[c.Queue] -= len(c.Tasks); asked[c.Queue] < 0 {
			fx.Errorf("%d tasks too many of %s", -asked[c.Queue], c.Queue)
		}
		if len(c.Tasks) == 0 || c.Started.IsZero() || c.Started.After(got.Now) || c.Left <= 0 {
			fx.Errorf("claim %+v, answered at %v", c, got.Now)
		}
		for _, t := range c.Tasks {
			runs := t.Queue == c.Queue && t.State == task.Running && t.Replica == x.Replica
			saves := c.Queue == task.ExportQueue+t.Kind && t.State == task.Exporting
			if t.Fence != c.Fence || !(runs || saves) || t.Attempt < 1 {
				fx.Errorf("claim %d of %s has the task %+v", c.Fence, c.Queue, t)
			}
		}
	}
	return got
}

// tasks returns the tasks of an answer, of all queues if none is named.
func tasks(got task.Exchanged, queues ...string) []*task.Task {
	var all []*task.Task
	for _, c := range got.Claimed {
		for _, q := range queues {
			if q == c.Queue {
				all = append(all, c.Tasks...)
			}
		}
		if len(queues) == 0 {
			all = append(all, c.Tasks...)
		}
	}
	return all
}

// claim claims n tasks of the queue for replica "r", with as many calls as necessary.
func (fx *fixture) claim(queue string, n int) []*task.Task {
	fx.Helper()
	return fx.claimAs(task.Exchange{}, queue, n)
}

// claimAs claims n tasks of the queue in exchanges like x.
func (fx *fixture) claimAs(x task.Exchange, queue string, n int) []*task.Task {
	fx.Helper()
	var all []*task.Task
	for range 1000 {
		x.Claims = []task.Claim{{Queue: queue, N: min(n-len(all), task.MaxClaim)}}
		got := fx.send(x)
		all = append(all, tasks(got)...)
		if got.Short[0] || len(all) == n {
			return all
		}
	}
	fx.Fatalf("1000 claims are not answered as short, with %d of %d tasks", len(all), n)
	return nil
}

// start enqueues one task and claims it.
func (fx *fixture) start(spec task.Spec) *task.Task {
	fx.Helper()
	t, _ := fx.startBounded(spec)
	return t
}

// startBounded is start; it also returns how long the attempt may take.
func (fx *fixture) startBounded(spec task.Spec) (*task.Task, time.Duration) {
	fx.Helper()
	id := fx.enqueue(spec)
	if spec.Queue == "" {
		spec.Queue = task.DefaultQueue
	}
	got := fx.send(task.Exchange{Claims: []task.Claim{{Queue: spec.Queue, N: 1}}})
	fx.wantIDs(tasks(got), id)
	return got.Claimed[0].Tasks[0], got.Claimed[0].Left
}

// startShort is like start, for a spec with a short bound such as a deadline. If the bound is over before the start, it
// makes the task again with a longer one. It also returns the bound. The lease lasts longer than the bound.
func (fx *fixture) startShort(spec func(short time.Duration) task.Spec) (t *task.Task, short time.Duration) {
	fx.Helper()
	short = fx.inTime(func(short time.Duration) bool {
		id := fx.enqueue(spec(short))
		if got := fx.claimAs(task.Exchange{Grace: time.Hour}, task.DefaultQueue, 1); len(got) == 1 {
			t = got[0]
			return true
		}
		fx.maintain()
		if c := fx.remove(id); !c.Done {
			fx.Fatalf("%s has not started and has not ended: %+v", id, c)
		}
		return false
	})
	return t, short
}

// report delivers reports and returns the verdicts.
func (fx *fixture) report(reports ...task.Report) []task.Verdict {
	fx.Helper()
	return fx.send(task.Exchange{Reports: reports}).Verdicts
}

// accept delivers reports that must be accepted.
func (fx *fixture) accept(reports ...task.Report) {
	fx.Helper()
	for i, v := range fx.report(reports...) {
		if v != task.Accepted {
			fx.Fatalf("report on %s: verdict %q, want %q", reports[i].ID, v, task.Accepted)
		}
	}
}

func (fx *fixture) verdict(r task.Report, want task.Verdict) {
	fx.Helper()
	if got := fx.report(r)[0]; got != want {
		fx.Fatalf("report on %s: verdict %q, want %q", r.ID, got, want)
	}
}

func reportOn(t *task.Task, op task.Op, code task.Code) task.Report {
	return task.Report{ID: t.ID, Queue: t.Queue, Fence: t.Fence, Last: true, Op: op, Code: code}
}

func succeed(t *task.Task) task.Report { return reportOn(t, task.Succeed, task.CodeOK) }

func succeedAll(ts []*task.Task) []task.Report {
	reports := make([]task.Report, len(ts))
	for i, t := range ts {
		reports[i] = succeed(t)
	}
	return reports
}

func fail(t *task.Task, code task.Code) task.Report {
	r := reportOn(t, task.Fail, code)
	r.Error = "it broke"
	return r
}

// failIn returns the report of a failure that is retried after d.
func failIn(t *task.Task, d time.Duration) task.Report {
	r := fail(t, task.CodeError)
	r.Delay, r.DelaySet = d, true
	return r
}

func release(t *task.Task, d time.Duration) task.Report {
	r := reportOn(t, task.Release, task.CodeReleased)
	r.Delay = d
	return r
}

// held returns the claims of the tasks, for a renewal of their replica.
func held(ts ...*task.Task) []task.HeldClaim {
	var all []task.HeldClaim
	for _, t := range ts {
		if n := len(all); n > 0 && all[n-1].Fence == t.Fence {
			all[n-1].Held++
			continue
		}
		all = append(all, task.HeldClaim{Fence: t.Fence, Held: 1, Left: task.DefaultTimeout})
	}
	return all
}

func attempt(t *task.Task) task.Attempt { return task.Attempt{ID: t.ID, Fence: t.Fence} }

// heartbeat completes the renewal and makes it.
func (fx *fixture) heartbeat(r task.Renewal) task.Renewed {
	fx.Helper()
	if r.Replica == "" {
		r.Replica = "r"
	}
	fx.ensureJoined(r.Replica)
	if r.Lease == 0 {
		r.Lease = lease
	}
	if r.Grace == 0 {
		r.Grace = grace
	}
	for _, h := range r.Held {
		r.Running += h.Held
	}
	got, err := fx.Store.Renew(fx.ctx, r)
	fx.noError(err)
	if len(got.Verdicts) != len(r.Held) {
		fx.Fatalf("%d verdicts on %d claims", len(got.Verdicts), len(r.Held))
	}
	if r.Lease < lease {
		delete(fx.joined, r.Replica) // maintenance may find it silent
	}
	return got
}

func (fx *fixture) renew(replica string, d time.Duration, held ...task.HeldClaim) []task.Verdict {
	fx.Helper()
	return fx.heartbeat(task.Renewal{Replica: replica, Lease: d, Held: held}).Verdicts
}

// sendUpdate renews the claim of one task with an update of its attempt.
func (fx *fixture) sendUpdate(t *task.Task, progress string, slow bool) task.Verdict {
	fx.Helper()
	n := task.AttemptUpdate{ID: t.ID, Fence: t.Fence, Slow: slow}
	if progress != "" {
		n.Progress = []byte(progress)
	}
	return fx.heartbeat(task.Renewal{Replica: t.Replica, Held: held(t), Updates: []task.AttemptUpdate{n}}).Verdicts[0]
}

// loseLeases lets the leases of the tasks' claims end and runs maintenance.
func (fx *fixture) loseLeases(ts ...*task.Task) task.Maintenance {
	fx.Helper()
	for i, v := range fx.renew(ts[0].Replica, time.Millisecond, held(ts...)...) {
		if v != task.Kept {
			fx.Fatalf("renewal of claim %d: %s, want %s", i, v, task.Kept)
		}
	}
	fx.waitPast(time.Millisecond)
	return fx.maintain()
}
