package redisstore_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// allPages reads all pages of a query. between is called after each page.
func allPages(t *testing.T, s *site, q task.PageQuery, between func(page int)) (ids []string, pages int) {
	t.Helper()
	for {
		p, err := s.store.Page(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range p.Tasks {
			ids = append(ids, at.ID)
		}
		if pages++; p.Next == "" {
			return ids, pages
		}
		if between != nil {
			between(pages)
		}
		q.After = p.Next
	}
}

func TestPagesHaveEachTaskOnce(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		const n = 1203 // more than two reads of an index, and a rest
		var specs []task.Spec
		want := map[task.State][]string{}
		at := time.Now().Add(time.Hour)
		for i := range n {
			spec := task.Spec{ID: fmt.Sprintf("w%05d", i), Queue: fmt.Sprint("q", i%3), Group: []string{"", "a", "b"}[i%7%3]}
			if i%4 == 0 { // all of them are due at one instant
				spec = task.Spec{ID: fmt.Sprintf("s%05d", i), Kind: fmt.Sprint("k", i%8), RunAt: at}
			}
			specs = append(specs, spec)
		}
		s.enqueue(t, specs...)
		for _, spec := range specs {
			state := task.Waiting
			if !spec.RunAt.IsZero() {
				state = task.Scheduled
			}
			want[state] = append(want[state], spec.ID)
		}
		for state, want := range want {
			slices.Sort(want)
			ids, pages := allPages(t, s, task.PageQuery{State: state, Limit: 100}, nil)
			reversed, _ := allPages(t, s, task.PageQuery{State: state, Limit: 100, Reverse: true}, nil)
			if slices.Reverse(reversed); !slices.Equal(reversed, ids) {
				t.Errorf("%s: the reverse order has %d ids, and not those of the other order backwards", state, len(reversed))
			}
			if slices.Sort(ids); !slices.Equal(ids, want) {
				t.Errorf("%s: %d ids on %d pages, want %d", state, len(ids), pages, len(want))
			}
		}
		ids, _ := allPages(t, s, task.PageQuery{State: task.Scheduled, Kinds: []string{"k4"}, Limit: 7}, nil)
		if len(ids) != n/8 {
			t.Errorf("%d of kind k4, want %d", len(ids), n/8)
		}
		ids, _ = allPages(t, s, task.PageQuery{State: task.Waiting, Queues: []string{"q1"}, Groups: []string{"a"}, Limit: 10}, nil)
		for _, id := range ids {
			i := slices.IndexFunc(specs, func(s task.Spec) bool { return s.ID == id })
			if specs[i].Queue != "q1" || specs[i].Group != "a" {
				t.Errorf("%s is in %s of %s", id, specs[i].Group, specs[i].Queue)
			}
		}
		if len(ids) == 0 {
			t.Error("no task of the group")
		}
	})
}

// The last task of a page is removed before the next page is read.
func TestPagesContinueAfterATaskThatHasGone(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		const n = 1100
		var specs []task.Spec
		for i := range n {
			specs = append(specs, task.Spec{ID: fmt.Sprintf("s%05d", i), RunAt: time.Now().Add(time.Hour).Truncate(time.Hour)})
		}
		s.enqueue(t, specs...)
		var stopped []string
		read := 0
		ids, _ := allPages(t, s, task.PageQuery{State: task.Scheduled, Limit: 50}, func(page int) {
			read = page * 50
			stopped = append(stopped, specs[read-1].ID)
			if _, err := s.store.Stop(t.Context(), "", specs[read-1].ID); err != nil {
				t.Fatal(err)
			}
		})
		if want := n; len(ids) != want || !slices.IsSorted(ids) || len(slices.Compact(ids)) != want {
			t.Errorf("%d ids, want %d, each once", len(ids), want)
		}
		// The stopped tasks end in the order of the stops; the last one is on the first page.
		ended, _ := allPages(t, s, task.PageQuery{State: task.Stopped, Limit: 5}, func(page int) {
			if _, err := s.store.Delete(t.Context(), stopped[len(stopped)-5*page]); err != nil {
				t.Fatal(err)
			}
		})
		slices.Sort(ended)
		if !slices.Equal(slices.Compact(ended), stopped) {
			t.Errorf("%d stopped tasks on the pages, want %d", len(ended), len(stopped))
		}
	})
}

// A query that matches nothing reads no more of the index than its budget.
func TestPageReadsNoMoreThanItsBudget(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		var specs []task.Spec
		for i := range 2900 {
			specs = append(specs, task.Spec{ID: fmt.Sprint(i)})
		}
		for part := range slices.Chunk(specs, 1000) {
			s.enqueue(t, part...)
		}
		q := task.PageQuery{State: task.Waiting, Match: func(t *task.Task) bool { return t.ID == "2899" }, Budget: 1000}
		page, err := s.store.Page(t.Context(), q)
		if err != nil || len(page.Tasks) != 0 || page.Read != 1000 || page.Next == "" {
			t.Fatalf("%+v, %v", page, err)
		}
		if ids, pages := allPages(t, s, q, nil); len(ids) != 1 || pages != 3 {
			t.Errorf("%v on %d pages", ids, pages)
		}
		q.After = "x"
		if _, err := s.store.Page(t.Context(), q); err == nil {
			t.Error("a position that is none was accepted")
		}
	})
}

// The budget is that of all indexes together.
func TestPageReadsNoMoreThanItsBudgetFromManyQueues(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		const queues, each = 12, 100
		for i := range queues {
			var specs []task.Spec
			for j := range each {
				specs = append(specs, task.Spec{ID: fmt.Sprint(i, "-", j), Queue: fmt.Sprintf("q%02d", i)})
			}
			s.enqueue(t, specs...)
		}
		q := task.PageQuery{State: task.Waiting, Match: func(t *task.Task) bool { return t.ID == "11-99" }, Budget: 250}
		page, err := s.store.Page(t.Context(), q)
		if err != nil || len(page.Tasks) != 0 || page.Read != 300 || page.Next == "" {
			t.Fatalf("%+v, %v", page, err)
		}
		if ids, pages := allPages(t, s, q, nil); !slices.Equal(ids, []string{"11-99"}) || pages != queues/3 {
			t.Errorf("%v on %d pages", ids, pages)
		}
		q.Match = nil
		if ids, _ := allPages(t, s, q, nil); len(ids) != queues*each {
			t.Errorf("%d ids, want %d", len(ids), queues*each)
		}
	})
}

// The last task of a page gets a score for which it is on the first page, as a task that was
// retried and has ended again. The other tasks are on one page each.
func TestPagesContinueAfterATaskThatHasMoved(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		var want []string
		for i := range 30 {
			want = append(want, fmt.Sprintf("s%02d", i))
			s.enqueue(t, task.Spec{ID: want[i]})
			if _, err := s.store.Stop(t.Context(), "", want[i]); err != nil {
				t.Fatal(err)
			}
		}
		q := task.PageQuery{State: task.Stopped, Limit: 7}
		var last string
		var ids []string
		for moved := 0; ; moved++ {
			page, err := s.store.Page(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range page.Tasks {
				last = at.ID
				ids = append(ids, last)
			}
			if q.After = page.Next; q.After == "" || len(ids) > len(want) {
				break
			}
			if err := rdb.ZIncrBy(t.Context(), s.prefix+"ended:stopped", float64(60_000*(moved+1)), last).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if slices.Sort(ids); !slices.Equal(ids, want) {
			t.Errorf("got %v, want each task once", ids)
		}
	})
}

// commandCount counts the commands of a client.
type commandCount struct {
	offsets
	n int
}

func (c *commandCount) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	next = c.offsets.ProcessHook(next)
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n++
		return next(ctx, cmd)
	}
}

func (c *commandCount) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n += len(cmds)
		return next(ctx, cmds)
	}
}

// All tasks have one score, as tasks that are kept without end. A position whose member is not
// there, which a caller may have made up, costs no walk over those before it.
func TestPageFindsAPositionAmongManyTasksWithOneScore(t *testing.T) {
	backends(t, func(t *testing.T, rdb *redis.Client) {
		s := newSite(t, rdb)
		const n = 6000
		for from := 0; from < n; from += 1000 {
			var members []redis.Z
			for i := range 1000 {
				members = append(members, redis.Z{Score: math.Inf(1), Member: fmt.Sprintf("m%05d", from+i)})
			}
			if err := rdb.ZAdd(t.Context(), s.prefix+"ended:succeeded", members...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		reverse := false
		ask := func(member, score string, budget int) (task.Page, error) {
			after := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"i":"ended:succeeded","m":%q,"s":%q}`, member, score))
			return s.store.Page(t.Context(), task.PageQuery{State: task.Succeeded, After: after, Budget: budget, Reverse: reverse})
		}
		if _, err := ask("m00000", "+Inf", 1); err != nil { // opens the connection
			t.Fatal(err)
		}
		var sent commandCount
		rdb.AddHook(&sent)
		for _, c := range []struct {
			member  string
			read    int
			reverse bool
		}{
			{"a", 0, false}, {"m00100x", 101, false}, {"m00100", 100, false}, {"m03000x", 3001, false}, {"m05999", 5999, false}, {"m059990", n, false}, {"z", n, false},
			{"a", n, true}, {"m00100x", n - 101, true}, {"m00100", n - 101, true}, {"m03000x", n - 3001, true}, {"m05999", 0, true}, {"z", 0, true},
		} {
			sent.n, sent.most, reverse = 0, 0, c.reverse
			page, err := ask(c.member, "+Inf", 1)
			if want := min(c.read, 500); err != nil || page.Read > want || page.Read < want/2 || (page.Next == "") != (page.Read == c.read) {
				t.Errorf("after %s: %+v, %v; want %d", c.member, page, err, want)
			}
			if sent.n > 30 || sent.most > 0 {
				t.Errorf("after %s: %d commands, up to %d entries are skipped", c.member, sent.n, sent.most)
			}
			if page, err = ask(c.member, "+Inf", 2*n); err != nil || page.Read != c.read || page.Next != "" {
				t.Errorf("all after %s: %+v, %v", c.member, page, err)
			}
		}
		for _, score := range []string{"", "x", "NaN"} {
			var field *task.FieldError
			if _, err := ask("m1", score, 1); !errors.As(err, &field) {
				t.Errorf("score %q: %v", score, err)
			}
		}
	})
}
