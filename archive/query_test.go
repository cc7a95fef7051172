package archive

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

var manyRows = flag.Int("rows", 20_000, "number of tasks in the test of large archives; from 1,000,000 on it also measures")

// fill adds n tasks with ends a second apart, without attempts and events. Of 20 tasks one
// failed and one was stopped. There are 40 kinds, of which "rare" has a task of 10,000. One of
// 5,000 tasks is an orphan, one of 100 exported.
func (db *DB) fill(t *testing.T, n int) {
	t.Helper()
	const part = 500_000
	for first := 0; first < n; first += part {
		_, err := db.sql.Exec(db.rebind(`INSERT INTO lts_tasks (`+taskColumns+`)
			WITH RECURSIVE n (i) AS (SELECT ? + 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)
			SELECT 'p', 'task-' || i || '-0123456789', 1700000000000 + i * 1000, 0,
				CASE WHEN i % 10000 = 7 THEN 'rare' ELSE 'email.kind' || (i % 40) END, 'queue' || (i % 5),
				CASE WHEN i % 2 = 0 THEN 'customer' || (i % 1000) ELSE '' END,
				CASE i % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'stopped' ELSE 'succeeded' END,
				CASE i % 20 WHEN 0 THEN 'error' WHEN 1 THEN 'stopped' ELSE 'ok' END,
				CASE i % 20 WHEN 0 THEN 'connection refused by host ' || (i % 1000) ELSE '' END,
				1, 3, 'replica01', 1700000000000 + i * 1000, 1700000000500 + i * 1000, 3, 500,
				NULL, 0, '', 3, NULL, 0, '', 0, 0, NULL, `+"?, ?"+`, 1700000000500 + i * 1000, 0,
				CASE WHEN i % 5000 = 20 THEN 'job-' || i ELSE '' END, i % 100 = 3 FROM n`),
			first, min(first+part, n), true, true)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.sql.Exec("ANALYZE"); err != nil {
		t.Fatal(err)
	}
}

// largeFilters are those of the lists that users want of a large archive.
func largeFilters(rows int) map[string]Filter {
	middle := time.UnixMilli(1_700_000_000_000 + int64(rows)*500)
	return map[string]Filter{
		"all":            {},
		"state":          {States: []task.State{task.Failed}},
		"two states":     {States: []task.State{task.Failed, task.Stopped}},
		"kind":           {Kinds: []string{"email.kind7"}},
		"rare kind":      {Kinds: []string{"rare"}},
		"kind and state": {Kinds: []string{"email.kind0"}, States: []task.State{task.Failed}},
		"queue":          {Queues: []string{"queue3"}, States: []task.State{task.Failed, task.Succeeded}},
		"other queue":    {Queues: []string{"queue3"}, Kinds: []string{"email.kind7"}}, // no task
		"group":          {Groups: []string{"customer12"}},
		"code":           {Codes: []string{"error"}},
		"no task":        {Kinds: []string{"missing"}},
		"time":           {Since: middle.Add(-time.Hour), Before: middle},
		"time and kind":  {Since: middle.Add(-1000 * time.Hour), Before: middle, Kinds: []string{"email.kind3"}},
		"orphan":         {Orphan: true},
		"orphan, state":  {Orphan: true, States: []task.State{task.Failed, task.Succeeded}},
		"exported":       {Exported: true},
		"exported, code": {Exported: true, Codes: []string{"ok"}},
		"error":          {Error: "HOST 40", States: []task.State{task.Failed}},
	}
}

// Each page of a large archive is read by an index that has its order.
func TestPagesAreReadByAnIndex(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		db := open(t, where)
		db.fill(t, *manyRows)
		for what, f := range largeFilters(*manyRows) {
			f.Pool = "p"
			branches, err := f.branches()
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range branches {
				for _, after := range []string{"", "1700009000000-7"} {
					query, args, err := b.query(after, 101, db.indexed)
					if err != nil {
						t.Fatal(err)
					}
					plan := db.plan(t, query, args)
					sorts := strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "Sort ")
					if b.Error != "" {
						sorts = false // few tasks match, so PostgreSQL may sort them
					}
					if !strings.Contains(plan, "lts_tasks_") || sorts || strings.Contains(plan, "Seq Scan") {
						t.Errorf("%s, after %q:\n%s", what, after, plan)
					}
				}
			}
		}
		if *manyRows >= 1_000_000 {
			db.measure(t)
		}
	})
}

func (db *DB) plan(t *testing.T, query string, args []any) string {
	t.Helper()
	rows, err := db.query(t.Context(), db.explain+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, *cells[len(cells)-1].(*any))
	}
	return plan.String()
}

// measure reads ten pages of each list one after the other, and prints how long a page
// takes.
func (db *DB) measure(t *testing.T) {
	var all []time.Duration
	for what, f := range largeFilters(*manyRows) {
		f.Pool, f.Brief = "p", true
		var took []time.Duration
		after, n := "", 0
		for range 10 {
			begin := time.Now()
			page, err := db.Tasks(t.Context(), f, after, 100)
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(begin))
			n += len(page.Tasks)
			if after = page.Next; after == "" {
				break
			}
		}
		all = append(all, took...)
		t.Logf("%-15s %4d tasks, longest page %v", what, n, slices.Max(took))
	}
	slices.Sort(all)
	p95 := all[len(all)*95/100]
	t.Logf("%d pages of %d rows: median %v, p95 %v, longest %v", len(all), *manyRows, all[len(all)/2], p95, all[len(all)-1])
	if p95 > 200*time.Millisecond {
		t.Errorf("p95 of a page is %v", p95)
	}
}

func TestPagesHaveEachMatchingTaskOnceWhileOthersAreAdded(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		db := open(t, where)
		db.fill(t, 1000)
		for what, f := range map[string]struct {
			Filter
			want int
		}{
			"all":       {Filter{}, 1000},
			"state":     {Filter{States: []task.State{task.Failed}}, 50},
			"states":    {Filter{States: []task.State{task.Failed, task.Stopped, task.Failed}}, 100},
			"kind":      {Filter{Kinds: []string{"email.kind0", "email.kind1"}}, 50},
			"both":      {Filter{Kinds: []string{"email.kind0", "email.kind1"}, States: []task.State{task.Failed}}, 25},
			"queue":     {Filter{Queues: []string{"queue0"}}, 200},
			"group":     {Filter{Groups: []string{"customer2"}}, 1},
			"code":      {Filter{Codes: []string{"stopped"}}, 50},
			"time":      {Filter{Since: time.UnixMilli(1_700_000_000_500), Before: time.UnixMilli(1_700_000_010_500)}, 10},
			"error":     {Filter{Error: "HOST 40"}, 2}, // 40 and 400
			"wildcards": {Filter{Error: "host_40"}, 0},
			"orphan":    {Filter{Orphan: true}, 1}, // task 20
			"exported":  {Filter{Exported: true}, 10},
			"neither":   {Filter{Exported: true, Orphan: true}, 0},
			"pool":      {Filter{Pool: "other"}, 0},
		} {
			if f.Pool == "" {
				f.Pool = "p"
			}
			var keys []int64
			for after, page := "", 0; ; page++ {
				got, err := db.Tasks(t.Context(), f.Filter, after, 7)
				if err != nil {
					t.Fatal(err)
				}
				for _, one := range got.Tasks {
					keys = append(keys, one.key)
				}
				if page == 1 && what == "all" { // later ends are before the page
					if _, err := db.sql.Exec("UPDATE lts_tasks SET ended_at = ended_at + 100000000 WHERE id LIKE 'task-99_-%'"); err != nil {
						t.Fatal(err)
					}
				}
				if after = got.Next; after == "" {
					break
				}
			}
			if n := len(keys); n != f.want {
				t.Errorf("%s: %d tasks, want %d", what, n, f.want)
			}
			if slices.Sort(keys); len(slices.Compact(keys)) != len(keys) {
				t.Errorf("%s: a task is listed twice", what)
			}
		}
	})
}

func TestBadFiltersAreRefused(t *testing.T) {
	db := open(t, t.TempDir()+"/a.db")
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprint("k", i))
	}
	var field *task.FieldError
	if _, err := db.Tasks(t.Context(), Filter{Pool: "p", Kinds: many}, "", 1); !errors.As(err, &field) {
		t.Errorf("51 kinds in 5 states: %v", err)
	}
	for _, after := range []string{"x", "1-", "-", "1;DROP TABLE lts_tasks"} {
		if _, err := db.Tasks(t.Context(), Filter{Pool: "p"}, after, 1); !errors.As(err, &field) {
			t.Errorf("after %q: %v", after, err)
		}
	}
	if _, err := db.Get(t.Context(), "p", "missing"); !errors.Is(err, task.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// Text of other programs that a database does not take is stored without the bytes that
// are refused, and cut at a character.
func TestHostileTextIsStored(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		db := open(t, where)
		e := task.Event{Cursor: "1700000000000-0", ID: "a\x00b\xff", Kind: strings.Repeat("é", 3000), Queue: "q", State: task.Failed, Code: "error", Version: 1,
			Attempt: 1, Replica: "r", Error: strings.Repeat("世", 40_000) + "\x00", Meta: map[string]string{"k": "\x00"}, Result: []byte("\x00\xff")}
		db.feed(t, []task.Event{e, {ID: "", Cursor: "1700000000000-1", Broken: errors.New("x")}, {ID: "c", Cursor: "18446744073709551615-18446744073709551615", Broken: errors.New("x")}})
		records, err := db.Get(t.Context(), "p", "a\uFFFDb\uFFFD")
		if err != nil {
			t.Fatal(err)
		}
		r := records[0]
		if !strings.HasSuffix(r.Error, "世…") || len(r.Error) > maxText || len(r.Kind) > maxName || string(r.Result) != "\x00\xff" || !r.EndedAt.Equal(time.UnixMilli(1_700_000_000_000)) {
			t.Errorf("error of %d bytes, kind of %d, %q, %v", len(r.Error), len(r.Kind), r.Result, r.EndedAt)
		}
		if diff := cmp.Diff(map[string]string{"k": "\uFFFD"}, r.Headers); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStatsCountByDayStateAndKind(t *testing.T) {
	databases(t, func(t *testing.T, where string) {
		db := open(t, where)
		db.fill(t, 100)
		day := time.Date(2023, 11, 14, 0, 0, 0, 0, time.UTC)
		if _, err := db.sql.Exec("UPDATE lts_tasks SET ended_at = ended_at + 86400000 WHERE kind = 'email.kind0'"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.sql.Exec("DELETE FROM lts_tasks WHERE kind NOT IN ('email.kind0', 'email.kind1')"); err != nil {
			t.Fatal(err)
		}
		s, err := db.Stats(t.Context(), "p", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Counts {
			s.Counts[i].Day = s.Counts[i].Day.UTC()
		}
		want := []Count{{day.AddDate(0, 0, 1), task.Failed, "email.kind0", 3}, {day, task.Stopped, "email.kind1", 3}}
		if diff := cmp.Diff(want, s.Counts); diff != "" {
			t.Error(diff)
		}
		if s, err = db.Stats(t.Context(), "p", day.AddDate(0, 0, 1)); err != nil || len(s.Counts) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
