package integration

import (
	"context"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The case of lines: a replica joins that can take the tasks of one of two.
func init() {
	faultCases["match"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.enqueue(task.Spec{Kind: "k", ID: "gpu", Labels: []string{"gpu"}}, task.Spec{Kind: "k", ID: "tpu", Labels: []string{"tpu"}, Group: "g"})
		},
		call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
			warnings, err := st.Join(ctx, task.Registration{
				Replica: "s", Lease: time.Hour, Queues: map[string]task.QueueConfig{"default": {Workers: 1}},
				Kinds: map[string]task.Policy{"k": {MaxAttempts: 9}}, Labels: []string{"gpu"},
			})
			return fmt.Sprint(len(warnings), " warnings"), err
		},
	}
}
