package integration

import (
	"context"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The cases of what a handler writes while it runs.
func init() {
	faultCases["checkpoint"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"})
			v.claim(1, 1, time.Minute)
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			a := task.Attempt{ID: "a", Fence: v.held["a"].Fence}
			return "", st.Checkpoint(ctx, v.held["a"].Queue, a, 1, []byte("page 7"))
		},
	}
	faultCases["checkpoint job"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"})
			v.claim(1, 1, time.Minute)
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			a := task.Attempt{ID: "a", Fence: v.held["a"].Fence}
			return "", st.SaveJob(ctx, v.held["a"].Queue, a, 1, []byte("page 7"), "job 7")
		},
	}
	faultCases["exchange job"] = faultCase{
		prepare: withJobs,
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchange(ctx, st, 2, 1, task.Report{ID: "a", Op: task.Fail, Code: task.CodeError, Error: "broke"},
				task.Report{ID: "b", Op: task.Release, Code: task.CodeReleased})
		},
	}
	faultCases["stop job"] = faultCase{
		prepare: func(v *victim) {
			withJobs(v)
			v.end(task.Report{ID: "b", Op: task.Release, Code: task.CodeReleased, Delay: time.Hour})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			cs, err := st.Stop(ctx, "enough", "b")
			return fmt.Sprint(cs), err
		},
		again: "[{b false running <nil>}]",
	}
	faultCases["exchange meta"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "a", Headers: map[string]string{"h": "1"}}, task.Spec{Kind: "k", ID: "b"}, task.Spec{Kind: "k", ID: "c"})
			v.claim(1, 3, time.Minute)
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			meta := task.Meta{"pages": fmt.Sprint(7)}
			return v.exchange(ctx, st, 2, 1, task.Report{ID: "a", Op: task.Succeed, Code: task.CodeOK, Meta: meta},
				task.Report{ID: "b", Op: task.Release, Code: task.CodeReleased, Meta: meta},
				task.Report{ID: "c", Op: task.Fail, Code: task.CodePermanent, Meta: meta})
		},
	}
}

// withJobs runs three tasks of which two have a job.
func withJobs(v *victim) {
	v.base()
	v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b"}, task.Spec{Kind: "k", ID: "c"})
	v.claim(1, 3, time.Minute)
	for _, id := range []string{"a", "b"} {
		v.must(v.st.SaveJob(context.Background(), v.held[id].Queue, task.Attempt{ID: id, Fence: v.held[id].Fence}, 1, []byte("saved"), "job of "+id))
	}
}
