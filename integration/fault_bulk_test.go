package integration

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// bulkStep is the write of a step of a bulk job, with all that it may have.
func bulkStep(rev int64, open bool) redisstore.BulkWrite {
	return redisstore.BulkWrite{ID: "j", Revision: rev, Call: fmt.Sprint("call ", rev), Data: []byte("{}"), Open: open, Keep: time.Hour,
		Audit: &task.AuditEntry{User: "ann", Action: "bulk/stop", Count: 2}, Chunks: []string{"x", "y"}}
}

func init() {
	for name, rev := range map[string]int64{"bulk begins": 0, "bulk goes on": 1, "bulk ends": 2} {
		faultCases[name] = faultCase{
			prepare: func(v *victim) {
				v.base()
				st := v.open(v.rdb)
				for i := range rev {
					_, ok, err := st.WriteBulk(context.Background(), bulkStep(i, true))
					if v.must(err); !ok {
						v.t.Fatal("the record was not written")
					}
				}
			},
			call: func(ctx context.Context, _ *victim, st *redisstore.Store) (string, error) {
				rec, ok, err := st.WriteBulk(ctx, bulkStep(rev, rev < 2))
				return fmt.Sprint(rec.Revision, ok), err
			},
		}
	}
	for _, verb := range []redisstore.BulkVerb{redisstore.BulkStop, redisstore.BulkDelete} {
		var counted sync.Map // the tasks by *victim
		faultCases[string(verb)+" counted"] = faultCase{
			prepare: func(v *victim) {
				v.base()
				v.enqueue(task.Spec{Kind: "k", ID: "a", Group: "g", Retain: &forever}, task.Spec{Kind: "k", ID: "b", Retain: &forever})
				if verb == redisstore.BulkDelete {
					v.stop("a", "b")
				}
				found, err := v.st.Get(context.Background(), "a", "b")
				v.must(err)
				var tasks []redisstore.CountedTask
				for i, x := range found { // b has another version
					tasks = append(tasks, redisstore.CountedTask{ID: x.ID, Version: x.Version + int64(i), Created: x.CreatedAt.UnixMilli()})
				}
				counted.Store(v, tasks)
			},
			call: func(ctx context.Context, v *victim, st *redisstore.Store) (string, error) {
				c := redisstore.CountedCall{Job: "j", Number: 1, Verb: verb, Tasks: []redisstore.CountedTask{{ID: "absent"}}}
				if tasks, ok := counted.Load(v); ok {
					c.Tasks, _ = tasks.([]redisstore.CountedTask)
				}
				return changed(st.ChangeCounted(ctx, c))
			},
		}
	}
}
