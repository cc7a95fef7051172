package integration

import (
	"context"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The cases of changes of tasks that do not run.
func init() {
	for name, edit := range map[string]task.Edit{
		"change":         {Priority: new(int8(3))},
		"change payload": {Payload: []byte("new")},
	} {
		faultCases[name] = faultCase{
			prepare: func(v *victim) {
				blockedGroup(v)
				v.enqueue(task.Spec{Kind: "k", ID: "s", Delay: time.Hour}, task.Spec{Kind: "k", ID: "d", Group: "g"})
			},
			call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
				return changed(st.Change(ctx, edit, "d", "b", "a", "c", "s", "nobody"))
			},
		}
	}
}
