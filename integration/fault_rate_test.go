package integration

import (
	"context"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func init() {
	faultCases["exchange uses tokens"] = faultCase{
		prepare: func(v *victim) {
			rate := task.PerHour(1).WithBurst(2)
			v.base()
			v.configure(task.Setting{Scope: task.QueueScope, Name: "default", Rate: &rate}, task.Setting{Scope: task.GroupScope, Name: "g", Rate: &rate})
			v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g"}, task.Spec{Kind: "k", ID: "b"}, task.Spec{Kind: "k", ID: "c", Group: "g"})
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			return v.exchange(ctx, st, 1, 9)
		},
	}
}
