package integration

import (
	"context"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// The case of tasks that wait for the archive: one is kept after it, one is removed.
func init() {
	faultCases["archived"] = faultCase{
		prepare: func(v *victim) {
			v.base()
			v.join("waits", task.Registration{Lease: time.Minute, ArchiveWait: time.Hour})
			v.enqueue(task.Spec{Kind: "k", ID: "f"}, task.Spec{Kind: "k", ID: "s"}, task.Spec{Kind: "k", ID: "live"})
			v.claim(1, 3, time.Minute)
			v.end(task.Report{ID: "f", Op: task.Fail, Code: task.CodePermanent, Error: "no"})
			v.end(task.Report{ID: "s"})
			tasks, err := v.st.Get(context.Background(), "f", "s")
			v.must(err)
			v.held["f"], v.held["s"] = tasks[0], tasks[1]
		},
		call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
			n, err := st.Archived(ctx, v.held["f"], v.held["s"], v.held["live"])
			return fmt.Sprint(n), err
		},
		again: "0",
	}
}
