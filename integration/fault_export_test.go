package integration

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const exportLine = task.ExportQueue + "k"

// exporterFunc is an exporter whose Save is a function.
type exporterFunc func(ctx context.Context, r *task.Staged) (task.Reference, error)

func (f exporterFunc) Save(ctx context.Context, r *task.Staged) (task.Reference, error) {
	return f(ctx, r)
}
func (exporterFunc) Load(context.Context, task.Reference) ([]byte, error) { return nil, nil }
func (exporterFunc) Delete(context.Context, task.Reference) error         { return nil }

// exporting is a replica r that saves the results of kind k. At most two of them are staged.
func (v *victim) exporting() {
	v.t.Helper()
	v.join("r", task.Registration{
		Queues: map[string]task.QueueConfig{"default": {Workers: 9, Limit: 20}, exportLine: {Workers: 9}},
		Kinds:  map[string]task.Policy{"k": {MaxAttempts: 3}},
		Limit:  50, Groups: task.Groups{Limits: map[string]int{"g": 1}},
		Exports: map[string]task.Export{"k": {MaxAttempts: 2, MaxStaged: 2, Backoff: task.Backoff{Fixed: true, Base: time.Hour}}},
	})
}

// staging returns a report of a success whose result is staged.
func staging(id string) task.Report {
	return task.Report{ID: id, Op: task.Succeed, Code: task.CodeOK, Result: []byte("result of " + id), Stage: true}
}

// save claims staged results for replica r.
func (v *victim) save(call int64, n int, lease time.Duration) {
	v.t.Helper()
	x := claimOf(call, n, lease)
	x.Claims[0].Queue = exportLine
	got, err := v.st.Exchange(context.Background(), x)
	v.must(err)
	for _, task := range tasksOf(got) {
		v.held[task.ID] = task
	}
}

// withStaged stages the results of a, b, c and d, and claims them for saves. The save of a has
// failed once before, a stop of c was requested. The tasks e and f wait for room. A save of a
// that fails or is lost is the last one.
func withStaged(v *victim, lease time.Duration) {
	v.t.Helper()
	v.exporting()
	v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g", Unique: "u", Headers: map[string]string{"h": "1"}}, task.Spec{Kind: "k", ID: "b"},
		task.Spec{Kind: "k", ID: "c", Deadline: time.Hour}, task.Spec{Kind: "k", ID: "d"})
	v.claim(1, 4, time.Minute)
	for _, id := range []string{"b", "a", "c", "d"} {
		v.end(staging(id))
	}
	v.enqueue(task.Spec{Kind: "k", ID: "e"}, task.Spec{Kind: "k", ID: "f", Group: "g"})
	v.claim(2, 2, time.Minute) // there is no room for their results
	v.save(3, 1, time.Minute)
	v.end(task.Report{ID: "a", Queue: exportLine, Op: task.Fail, Code: task.CodeError, Error: "away", DelaySet: true})
	v.save(4, 4, lease)
	v.stop("c")
}

// The cases of staged results.
func init() {
	faultCases["exchange stages"] = faultCase{
		prepare: func(v *victim) {
			v.exporting()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g", Unique: "u", Deadline: time.Hour}, task.Spec{Kind: "k", ID: "b"},
				task.Spec{Kind: "k", ID: "c"}, task.Spec{Kind: "k", ID: "d", Group: "g"}, task.Spec{Kind: "other", ID: "e"})
			v.claim(1, 3, time.Minute)
			v.must(v.st.SaveJob(context.Background(), "default", task.Attempt{ID: "b", Fence: v.held["b"].Fence}, 1, []byte("saved"), "job of b"))
			v.stop("c")
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			a := staging("a")
			a.Meta, a.Log = task.Meta{"pages": "7"}, "l"
			return v.exchange(ctx, st, 2, 2, a, staging("b"), staging("c"), staging("nobody"))
		},
	}
	faultCases["exchange saved"] = faultCase{
		prepare: func(v *victim) { withStaged(v, time.Minute) },
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchangeOn(ctx, st, exportLine, 5, 2,
				task.Report{ID: "a", Op: task.Succeed, Code: task.CodeOK, Result: []byte(`{"at":"a"}`)},
				task.Report{ID: "b", Op: task.Fail, Code: task.CodeError, Error: "away"},
				task.Report{ID: "c", Op: task.Fail, Code: task.CodeStopped, Error: "stopped"},
				task.Report{ID: "d", Op: task.Release, Code: task.CodeReleased})
		},
	}
	faultCases["reap saves"] = faultCase{
		prepare: func(v *victim) {
			withStaged(v, 2*time.Millisecond)
			v.later()
		},
		call:  maintain,
		again: "busy=false inbox=false lost=0", // the findings are only logged
	}
	faultCases["stop staged"] = faultCase{
		prepare: func(v *victim) {
			withStaged(v, time.Minute)
			v.end(task.Report{ID: "b", Queue: exportLine, Op: task.Fail, Code: task.CodeError, Error: "away"})
			v.end(task.Report{ID: "d", Queue: exportLine, Op: task.Release, Code: task.CodeReleased})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return changed(st.Stop(ctx, "why", "a", "b", "d", "e"))
		},
		again: "a:exporting:false b:stopped:false d:stopped:false e:stopped:false",
	}
	faultCases["retry staged"] = faultCase{
		prepare: func(v *victim) {
			withStaged(v, time.Minute)
			v.end(task.Report{ID: "a", Queue: exportLine, Op: task.Fail, Code: task.CodePermanent, Error: "refused"})
			v.end(task.Report{ID: "b", Queue: exportLine, Op: task.Fail, Code: task.CodeError, Error: "away"})
			v.end(task.Report{ID: "c", Queue: exportLine, Op: task.Fail, Code: task.CodeStopped, Error: "enough"})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			return changed(st.Retry(ctx, task.Edit{}, "a", "b", "c", "d"))
		},
	}
}
