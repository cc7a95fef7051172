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
