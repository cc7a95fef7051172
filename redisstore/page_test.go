package redisstore_test

import (
	"fmt"
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
