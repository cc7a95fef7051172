package storetest

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

const (
	lease = time.Minute
	grace = time.Second
)

// sequence is one of the two sequences of calls that a replica makes.
type sequence struct {
	replica string
	n       int
}

// complete fills in what the exchange leaves open: the replica "r", which joins if
// it has not, sequence 1, the next call number, the lease and the grace.
func (b *bundle) complete(x task.Exchange) task.Exchange {
	b.Helper()
	if x.Replica == "" {
		x.Replica = "r"
	}
	b.present(x.Replica)
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
		b.calls[l]++
		x.Call = b.calls[l]
	}
	return x
}

// present joins a replica that has not joined.
func (b *bundle) present(replica string) {
	b.Helper()
	if !b.on[replica] {
		b.join(task.Registration{Replica: replica, Lease: time.Hour})
	}
}

// send completes an exchange, makes it and checks the form of the answer.
func (b *bundle) send(x task.Exchange) task.Exchanged {
	b.Helper()
	x = b.complete(x)
	got, err := b.Store.Exchange(b.ctx, x)
	b.ok(err)
	if len(got.Verdicts) != len(x.Reports) || len(got.Short) != len(x.Claims) {
		b.Fatalf("%d verdicts on %d reports, %d marks for %d claims", len(got.Verdicts), len(x.Reports), len(got.Short), len(x.Claims))
	}
	asked := map[string]int{}
	for _, c := range x.Claims {
		asked[c.Queue] += c.N
	}
	for _, c := range got.Claimed {
		if asked[c.Queue] -= len(c.Tasks); asked[c.Queue] < 0 {
			b.Errorf("%d tasks too many of %s", -asked[c.Queue], c.Queue)
		}
		if len(c.Tasks) == 0 || c.Started.IsZero() || c.Started.After(got.Now) || c.Left <= 0 {
			b.Errorf("claim %+v, answered at %v", c, got.Now)
		}
		for _, t := range c.Tasks {
			if t.Fence != c.Fence || t.Queue != c.Queue || t.State != task.Running || t.Attempt < 1 || t.Replica != x.Replica {
				b.Errorf("claim %d of %s has the task %+v", c.Fence, c.Queue, t)
			}
		}
	}
	return got
}

// tasks are the tasks of an answer, of all queues if none is named.
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

// claim claims n tasks of the queue for replica "r", in as many calls as that
// takes.
func (b *bundle) claim(queue string, n int) []*task.Task {
	b.Helper()
	return b.claimAs(task.Exchange{}, queue, n)
}

// claimAs claims n tasks of the queue in exchanges like x.
func (b *bundle) claimAs(x task.Exchange, queue string, n int) []*task.Task {
	b.Helper()
	var all []*task.Task
	for range 1000 {
		x.Claims = []task.Claim{{Queue: queue, N: min(n-len(all), task.MaxClaim)}}
		got := b.send(x)
		all = append(all, tasks(got)...)
		if got.Short[0] || len(all) == n {
			return all
		}
	}
	b.Fatalf("1000 claims are not answered as short, with %d of %d tasks", len(all), n)
	return nil
}

// start enqueues one task and claims it.
func (b *bundle) start(spec task.Spec) *task.Task {
	b.Helper()
	t, _ := b.startBounded(spec)
	return t
}

// startBounded also returns how long the attempt may take.
func (b *bundle) startBounded(spec task.Spec) (*task.Task, time.Duration) {
	b.Helper()
	id := b.enqueue(spec)
	if spec.Queue == "" {
		spec.Queue = task.DefaultQueue
	}
	got := b.send(task.Exchange{Claims: []task.Claim{{Queue: spec.Queue, N: 1}}})
	b.wantIDs(tasks(got), id)
	return got.Claimed[0].Tasks[0], got.Claimed[0].Left
}

// report delivers reports and returns the verdicts.
func (b *bundle) report(reports ...task.Report) []task.Verdict {
	b.Helper()
	return b.send(task.Exchange{Reports: reports}).Verdicts
}

// accept delivers reports that have to be accepted.
func (b *bundle) accept(reports ...task.Report) {
	b.Helper()
	for i, v := range b.report(reports...) {
		if v != task.Accepted {
			b.Fatalf("report on %s: verdict %q, want %q", reports[i].ID, v, task.Accepted)
		}
	}
}

func (b *bundle) verdict(r task.Report, want task.Verdict) {
	b.Helper()
	if got := b.report(r)[0]; got != want {
		b.Fatalf("report on %s: verdict %q, want %q", r.ID, got, want)
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

// failIn is a failure that is retried after d.
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

// held are the claims of the tasks, as their replica names them in a renewal.
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

// heartbeat fills in what the renewal leaves open, and makes it.
func (b *bundle) heartbeat(r task.Renewal) task.Renewed {
	b.Helper()
	if r.Replica == "" {
		r.Replica = "r"
	}
	b.present(r.Replica)
	if r.Lease == 0 {
		r.Lease = lease
	}
	if r.Grace == 0 {
		r.Grace = grace
	}
	for _, h := range r.Held {
		r.Running += h.Held
	}
	got, err := b.Store.Renew(b.ctx, r)
	b.ok(err)
	if len(got.Verdicts) != len(r.Held) {
		b.Fatalf("%d verdicts on %d claims", len(got.Verdicts), len(r.Held))
	}
	if r.Lease < lease {
		delete(b.on, r.Replica) // maintenance may find it silent
	}
	return got
}

func (b *bundle) renew(replica string, d time.Duration, held ...task.HeldClaim) []task.Verdict {
	b.Helper()
	return b.heartbeat(task.Renewal{Replica: replica, Lease: d, Held: held}).Verdicts
}

// updates renews the claim of one task with something to say of its attempt.
func (b *bundle) updates(t *task.Task, progress string, slow bool) task.Verdict {
	b.Helper()
	n := task.AttemptUpdate{ID: t.ID, Fence: t.Fence, Slow: slow}
	if progress != "" {
		n.Progress = []byte(progress)
	}
	return b.heartbeat(task.Renewal{Replica: t.Replica, Held: held(t), Updates: []task.AttemptUpdate{n}}).Verdicts[0]
}

// lose lets the leases of the tasks' claims end, and maintenance take them back.
func (b *bundle) lose(ts ...*task.Task) task.Maintenance {
	b.Helper()
	for i, v := range b.renew(ts[0].Replica, time.Millisecond, held(ts...)...) {
		if v != task.Kept {
			b.Fatalf("renewal of claim %d: %s, want %s", i, v, task.Kept)
		}
	}
	b.passes(time.Millisecond)
	return b.maintain()
}
