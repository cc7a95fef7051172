package redisstore_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
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

// Only the tasks that match are transferred: Redis compares the headers of the others.
func TestFilterByKindQueueOrGroupReadsOnlyWhatMatches(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		ctx := t.Context()
		var all []task.Spec
		for i := range 1200 {
			spec := task.Spec{ID: fmt.Sprint("t", i), Kind: fmt.Sprint("k", i%3), Queue: fmt.Sprint("q", i%4), Group: fmt.Sprint("g", i%5)}
			if i%2 == 0 {
				spec.Delay = time.Hour
			}
			all = append(all, spec)
		}
		for page := range slices.Chunk(all, 100) {
			s.enqueue(t, page...)
		}
		s.rdb.Set(ctx, s.prefix+"task:t7", "no record", 0)
		// Redis knows the script after this call, so that no other call is sent twice.
		if _, err := s.store.Get(ctx, "t0"); err != nil {
			t.Fatal(err)
		}
		for name, f := range map[string]task.Filter{
			"kind":             {Kinds: []string{"k1"}},
			"queues":           {Queues: []string{"q1", "q2"}},
			"group":            {Groups: []string{"g4"}},
			"kinds and group":  {Kinds: []string{"k0", "k2"}, Groups: []string{"g0"}},
			"all three":        {Kinds: []string{"k2"}, Queues: []string{"q3"}, Groups: []string{"g1"}},
			"scheduled, queue": {Queues: []string{"q2"}, States: []task.State{task.Scheduled}},
			"none of them":     {Kinds: []string{"other"}},
		} {
			want := map[string]bool{}
			for i, spec := range all {
				in := func(set []string, v string) bool { return len(set) == 0 || slices.Contains(set, v) }
				if i != 7 && in(f.Kinds, spec.Kind) && in(f.Queues, spec.Queue) && in(f.Groups, spec.Group) && (len(f.States) == 0 || i%2 == 0) {
					want[spec.ID] = true
				}
			}
			var sent recorder
			rdb.AddHook(&sent)
			f.Brief = true
			most := 0
			f.Progress = func(read int) { most = read }
			got := map[string]bool{}
			for tk, err := range s.store.Tasks(ctx, f) {
				if err != nil {
					t.Fatal(err)
				}
				got[tk.ID] = true
			}
			transferred := 0
			for _, args := range sent.ran("get") {
				transferred += len(args) - 2
			}
			// The task that has no header may match.
			if !maps.Equal(got, want) || transferred > len(want)+1 {
				t.Errorf("%s: %d tasks, want %d; %d were transferred", name, len(got), len(want), transferred)
			}
			if len(f.States) == 0 && len(f.Queues) == 0 && most != len(all) {
				t.Errorf("%s: %d of %d tasks are said to be read", name, most, len(all))
			}
		}
	})
}

func TestHistoriesAreInTheOrderOfTheIDs(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		var ids []string
		for i := range 120 {
			id := fmt.Sprint("t", i)
			ids = append(ids, id)
			switch {
			case i%3 == 0:
				rdb.RPush(t.Context(), s.prefix+"history:"+id, fmt.Sprintf(`{"attempt":%d,"code":"error","at":1700000000000,"run_ms":5,"log":"l"}`, i))
			case i == 50:
				rdb.RPush(t.Context(), s.prefix+"history:"+id, "damaged")
			case i == 70:
				rdb.Set(t.Context(), s.prefix+"history:"+id, "of another type", 0)
			}
		}
		histories, err := s.store.Histories(t.Context(), ids...)
		if err != nil || len(histories) != len(ids) {
			t.Fatalf("%d histories, %v", len(histories), err)
		}
		for i, h := range histories {
			want := 0
			if i%3 == 0 {
				want = 1
			}
			if len(h) != want || want == 1 && (h[0].Attempt != int64(i) || h[0].Run != 5*time.Millisecond || h[0].Log != "l") {
				t.Errorf("%s: %+v", ids[i], h)
			}
		}
	})
}
