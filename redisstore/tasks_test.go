package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// offsets records the largest offset in a command, which is the number of entries that Redis skips.
type offsets struct{ most int64 }

func (o *offsets) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (o *offsets) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		args := cmd.Args()
		for i, a := range args {
			if word, ok := a.(string); ok && strings.EqualFold(word, "limit") && i+1 < len(args) {
				if n, ok := args[i+1].(int64); ok {
					o.most = max(o.most, n)
				}
			}
		}
		return next(ctx, cmd)
	}
}

func (o *offsets) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// Many tasks may have one score (due at midnight). Each page is read from the end of the page
// before, without skipping all earlier entries. Tasks that leave after they were read, the last of
// a page included, neither hide nor repeat other tasks.
func TestListOfTasksWithOneScoreStaysCheap(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		const n = 2000
		s := newSite(t, rdb)
		at := s.now(t).Add(time.Hour)
		specs := make([]task.Spec, n)
		for i := range specs {
			specs[i] = task.Spec{ID: fmt.Sprint("t-", i), Kind: "step", RunAt: at}
		}
		for page := 0; page < n; page += 500 {
			if _, err := s.store.Enqueue(t.Context(), specs[page:page+500]); err != nil {
				t.Fatal(err)
			}
		}
		var o offsets
		rdb.AddHook(&o)
		for _, leaving := range []string{"none", "some"} {
			seen := map[string]int{}
			read := 0
			for tk, err := range s.store.Tasks(t.Context(), task.Filter{States: []task.State{task.Scheduled}}) {
				if err != nil {
					t.Fatal(err)
				}
				seen[tk.ID]++
				if read++; leaving == "some" && read%3 == 0 {
					if _, err := s.store.Stop(t.Context(), "", tk.ID); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(seen) != n || read != n {
				t.Errorf("%s leave: %d tasks were read %d times, want %d once", leaving, len(seen), read, n)
			}
		}
		if o.most > 0 {
			t.Errorf("Redis skipped %d entries", o.most)
		}
	})
}
