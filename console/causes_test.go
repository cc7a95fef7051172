package console

import (
	"context"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// failAll runs the waiting tasks. Each fails with the error in its payload.
func (b *browser) failAll(n int) {
	b.t.Helper()
	p, err := pool.New(b.store, pool.Config{Queues: map[string]pool.Queue{task.DefaultQueue: {Workers: 4}}})
	if err != nil {
		b.t.Fatal(err)
	}
	fail := func(_ context.Context, t *task.Task) ([]byte, error) {
		text := string(t.Payload)
		if why, ok := strings.CutPrefix(text, "permanent "); ok {
			return nil, pool.Permanent(errors.New(why))
		}
		return nil, errors.New(text)
	}
	for _, kind := range []string{"a", "b"} {
		p.HandleKind(kind, fail)
	}
	ctx, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	for late := time.Now().Add(patient); ; {
		s, err := b.c.sites[b.name].pool.Stats(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if s.Kept[task.Failed] == n {
			break
		}
		if time.Now().After(late) {
			b.t.Fatalf("%d of %d tasks have failed", s.Kept[task.Failed], n)
		}
		time.Sleep(10 * time.Millisecond) // the tasks run in the background
	}
	stop()
	if err := <-ended; err != nil {
		b.t.Fatal(err)
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// The page of causes counts all failed tasks, and not only the newest ones. A job about one cause leaves
// the tasks of the others, also those of the same kind.
func TestCausesAreCountedAndRetriedOneByOne(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	var specs []task.Spec
	add := func(kind string, n int, text func(i int) string) {
		for i := range n {
			specs = append(specs, task.Spec{Kind: kind, Payload: []byte(text(i)), MaxAttempts: 1})
		}
	}
	add("a", 12, func(i int) string { return fmt.Sprintf(`POST /orders/ORD-%08x: "timeout" after %d ms`, i*7919, i) })
	add("a", 3, func(i int) string { return fmt.Sprintf("permanent field amount: %d,5", i) })
	add("b", 5, func(i int) string { return fmt.Sprintf("write /spool/%d: disk full", i) })
	b.enqueue(specs...)
	b.failAll(len(specs))

	page := b.page("causes")
	text := strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
	for _, want := range []string{"12 12 a", "POST /orders/ORD-#: timeout after # ms", "5 5 b", "write /spool/#: disk full", "3 3 a", "permanent: field amount: #,#", "All 20 failed tasks"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page of causes lacks %q:\n%s", want, text)
		}
	}
	if strings.Count(page, `formaction="/admin`+b.path("bulk/retry")) != 3 {
		t.Errorf("it has not three buttons:\n%s", page)
	}
	q := b.c.sites[b.name]
	list, _, err := q.causes.get(t.Context(), q.countCauses)
	if err != nil || len(list.Causes) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	query := (*request)(nil).CauseQuery("a", list.Causes[0].Name)
	if !strings.Contains(html.UnescapeString(page), `name="q" value="`+query+`"`) && !strings.Contains(html.UnescapeString(b.page("")), query) {
		t.Errorf("no form has the query %s", query)
	}
	if n := strings.Count(b.page("tasks?state=failed&q="+url.QueryEscape(query)), `name="id" value=`); n != 12 {
		t.Errorf("the list of the cause has %d tasks", n)
	}
	id := b.askBulk("retry", url.Values{"q": {query}, "state": {"failed"}})
	b.bulkPage(id, "Type 12 to confirm")
	b.act("bulk/confirm", url.Values{"id": {id}, "reason": {"it answers again"}, "count": {"12"}})
	b.bulkPage(id, "Ended</dt>")
	s, err := q.pool.Stats(t.Context())
	if err != nil || s.Kept[task.Failed] != 8 || s.Waiting != 12 {
		t.Errorf("%+v, %v", s, err)
	}
	b.as(access.Viewer)
	if page := b.page("causes"); strings.Contains(page, "<button formaction") {
		t.Error("a viewer has buttons")
	}
}

// The API lists the causes of failures. The query of a cause selects its tasks.
func TestAPIListsCauses(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.c.sites[b.name].causes.keep = -1 // each request counts anew
	var specs []task.Spec
	for i := range 4 {
		specs = append(specs, task.Spec{Kind: "a", Payload: fmt.Appendf(nil, `POST /orders/%d: "timeout"`, i), MaxAttempts: 1})
	}
	for i := range 2 {
		specs = append(specs, task.Spec{Kind: "b", Payload: fmt.Appendf(nil, "permanent field %d", i), MaxAttempts: 1})
	}
	specs = append(specs, task.Spec{ID: "alone", Kind: "a", Payload: []byte("disk full"), MaxAttempts: 1})
	b.enqueue(specs...)
	b.as(access.Viewer)
	if list := must[apiCauseList](b, http.MethodGet, b.at("/causes"), nil); len(list.Causes) != 0 || list.Total != 0 || !list.Complete {
		t.Errorf("before a failure: %+v", list)
	}
	b.failAll(len(specs))
	b.c.sites[b.name].forget()
	list := must[apiCauseList](b, http.MethodGet, b.at("/causes?limit=2"), nil)
	if len(list.Causes) != 2 || list.More != 1 || list.Total != 7 || list.Read != 7 || !list.Complete {
		t.Fatalf("%+v", list)
	}
	first, second := list.Causes[0], list.Causes[1]
	if first.Kind != "a" || first.Cause != "POST /orders/#: timeout" || first.Tasks != 4 || first.Recent != 4 || !slices.Equal(first.Queues, []string{task.DefaultQueue}) || first.LastID == "" {
		t.Errorf("%+v", first)
	}
	if second.Kind != "b" || second.Cause != "permanent: field #" || second.Tasks != 2 || second.FirstAt > second.LastAt {
		t.Errorf("%+v", second)
	}
	if page := must[apiTaskList](b, http.MethodGet, b.at("/tasks?state=failed&q="+url.QueryEscape(first.Query)), nil); len(page.Tasks) != 4 {
		t.Errorf("%s selects %+v", first.Query, page.Tasks)
	}
	b.as(access.Operator)
	job := must[apiBulkJob](b, http.MethodPost, b.at("/bulk"), map[string]any{"verb": "retry", "query": second.Query, "state": "failed"})
	if job = b.job(job.ID, bulk.Counted); job.Counted != 2 {
		t.Errorf("%+v", job)
	}
	if all := must[apiCauseList](b, http.MethodGet, b.at("/causes"), nil); len(all.Causes) != 3 || all.More != 0 || all.Causes[2].LastID != "alone" {
		t.Errorf("%+v", all)
	}
	for _, limit := range []string{"0", "201", "many"} {
		if p := b.problem(http.MethodGet, b.at("/causes?limit="+limit), nil, http.StatusBadRequest); p.Field != "limit" {
			t.Errorf("limit %s: %+v", limit, p)
		}
	}
}

// A query without a state finds tasks of all states, page by page.
func TestQueriesWithoutAStateFindTasksOfAllStates(t *testing.T) {
	t.Parallel()
	m := &memory{}
	b := newBrowser(t, func(o *Options) { o.Archive = m })
	b.enqueue(task.Spec{ID: "bad", Kind: "a", Group: "g", Payload: []byte("wrong 4711"), MaxAttempts: 1, Unique: "key", Headers: map[string]string{"x-request": "r-77"}})
	b.failAll(1)
	b.enqueue(task.Spec{ID: "late", Kind: "a", Group: "g", Delay: time.Hour}, task.Spec{ID: "stopped", Kind: "a", Group: "g"}, task.Spec{ID: "other", Kind: "a", Group: "h"})
	b.act("tasks/stop", url.Values{"id": {"stopped"}})
	for range rows + 10 {
		b.enqueue(task.Spec{Kind: "b", Group: "g"})
	}
	find := func(path string) (ids map[string]int) {
		ids = map[string]int{}
		for path != "" {
			page := b.page(path)
			for _, m := range regexp.MustCompile(`name="id" value="([^"]+)"`).FindAllStringSubmatch(page, -1) {
				ids[m[1]]++
			}
			path = ""
			if m := regexp.MustCompile(`rel="next" href="/admin[^"]*/(tasks[^"]*)"`).FindStringSubmatch(page); m != nil {
				path = html.UnescapeString(m[1])
			}
		}
		return ids
	}
	got := find("tasks?state=any&q=group:g")
	if len(got) != rows+13 || got["bad"] != 1 || got["late"] != 1 || got["stopped"] != 1 || got["other"] != 0 {
		t.Errorf("%d tasks: %v", len(got), got)
	}
	b.c.searchTime = 0 // each page ends after one read
	if short := find("tasks?state=any&q=group:g"); !maps.Equal(short, got) {
		t.Errorf("in short pages %d tasks: %v", len(short), short)
	}
	b.c.searchTime = time.Minute
	for _, q := range []string{"payload:4711", "header:r-77", "header:x-request=r", "unique:key"} {
		if got := find("tasks?state=any&q=" + url.QueryEscape(q)); len(got) != 1 || got["bad"] != 1 {
			t.Errorf("%s: %v", q, got)
		}
	}
	// A task that ended long ago is not found by its unique key alone, but in the lists and the archive.
	gone := archivedTask("archived", "a", 1)
	gone.Unique = "old"
	m.tasks = append(m.tasks, gone)
	if page := b.page("tasks?state=any&q=unique:old"); !strings.Contains(page, "archived?id=archived") {
		t.Errorf("the archived task is missing:\n%s", page)
	}
	if status, text := b.do(http.MethodGet, b.path("tasks?q=unique:old"), nil); status != http.StatusSeeOther || !strings.Contains(text, "state=any") {
		t.Errorf("%d\n%s", status, text)
	}
	if page := b.page("tasks?state=any&q=group:g"); strings.Contains(page, `formaction="/admin`+b.path("bulk/")) || !strings.Contains(page, "Choose a state") {
		t.Error("a list of all states offers a job, which has one state")
	}
	if status, _ := b.do(http.MethodGet, b.path("tasks?state=any&after=wrong."), nil); status != http.StatusBadRequest {
		t.Errorf("a wrong position: %d", status)
	}
	// What is no id is looked for elsewhere.
	if _, text := b.do(http.MethodGet, b.path("task?id=4711"), nil); !strings.Contains(html.UnescapeString(text), "tasks?q=payload%3A4711&state=any") {
		t.Errorf("%s", text)
	}
}
