package console

import (
	"context"
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// memory is an archive of tasks, the latest end first.
type memory struct {
	tasks []*task.Task
	err   error
}

func (m *memory) Tasks(_ context.Context, q ArchiveQuery, after string, limit int) (page ArchivePage, err error) {
	from, _ := strconv.Atoi(after)
	for i := from; i < len(m.tasks) && m.err == nil; i++ {
		if len(page.Tasks) == limit {
			page.Next = strconv.Itoa(i)
			break
		}
		if t := m.tasks[i]; (q.State == "" || t.State == q.State) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, t.Kind)) {
			copied := *t
			page.Tasks = append(page.Tasks, &copied)
		}
	}
	return page, m.err
}

func (m *memory) Get(_ context.Context, _, id string) (all []Archived, err error) {
	for _, t := range m.tasks {
		if t.ID == id {
			copied := *t
			all = append(all, Archived{Task: &copied, Complete: true})
		}
	}
	return all, m.err
}

func archivedTask(id, kind string, n int) *task.Task {
	end := time.Now().Add(-time.Duration(n) * time.Minute)
	return &task.Task{Spec: task.Spec{ID: id, Kind: kind, Queue: "q", Payload: []byte(`{"password":"x1x","n":` + strconv.Itoa(n) + `}`)}, State: task.Stopped, Attempt: 1,
		Error: "disk full", CreatedAt: end.Add(-time.Minute), EndedAt: end}
}

// A list of ended tasks goes on in the archive. Each task is listed once, with its mark if it is archived.
func TestListsGoOnInTheArchive(t *testing.T) {
	t.Parallel()
	m := &memory{}
	b := newBrowser(t, func(o *Options) { o.Archive = m })
	b.enqueue(task.Spec{ID: "kept"})
	b.act("tasks/stop", url.Values{"id": {"kept"}})
	m.tasks = append(m.tasks, archivedTask("kept", "k", 0))
	for i := range 3*rows + 7 {
		m.tasks = append(m.tasks, archivedTask("old-"+strconv.Itoa(i), map[bool]string{true: "rare", false: "k"}[i%40 == 0], i+1))
	}
	next := regexp.MustCompile(`rel="next" href="[^"]*?/(tasks\?[^"]*)"`)
	list := func(query string) (ids []string) {
		t.Helper()
		page := b.page("tasks?state=stopped&q=" + url.QueryEscape(query))
		for range 20 {
			for _, m := range regexp.MustCompile(`/(task|archived)\?id=([^"]+)">`).FindAllStringSubmatch(page, -1) {
				ids = append(ids, m[1]+" "+m[2])
			}
			m := next.FindStringSubmatch(page)
			if m == nil {
				return ids
			}
			page = b.page(html.UnescapeString(m[1]))
		}
		t.Fatal("the list has no end")
		return nil
	}
	if got := list(""); len(got) != 3*rows+8 || got[0] != "task kept" || got[1] != "archived old-0" || got[len(got)-1] != "archived old-"+strconv.Itoa(3*rows+6) {
		t.Errorf("%d tasks: %q", len(got), got)
	}
	if got := list("kind:rare"); len(got) != 4 {
		t.Errorf("of a kind: %q", got)
	}
	if got := list("age:>7230s"); len(got) != 3*rows+7-119 {
		t.Errorf("of an age: %d", len(got))
	}
	if got := list("error:DISK payload::57}"); len(got) != 1 || got[0] != "archived old-56" {
		t.Errorf("by payload: %q", got)
	}
	if page := b.page("tasks?state=stopped&q=label:gpu"); !strings.Contains(page, "cannot select by: label") {
		t.Error("the page does not say what the archive cannot compare")
	}
	m.err = errors.New("the database is away")
	if page := b.page("tasks?state=stopped"); !strings.Contains(page, "archive cannot be read") || strings.Contains(page, "the database is away") || !strings.Contains(page, "task?id=kept") {
		t.Error("without the archive the list lacks the kept tasks or the reason")
	}
}

// counting is an archive that counts its reads.
type counting struct {
	memory
	reads int
}

func (c *counting) Tasks(ctx context.Context, q ArchiveQuery, after string, limit int) (ArchivePage, error) {
	c.reads++
	return c.memory.Tasks(ctx, q, after, limit)
}

// The tasks of the archive that Redis still has are skipped in a few reads, and one that Redis has
// removed among them is listed. A list with archived tasks is not read again after each event.
func TestKeptTasksAreSkippedInFewReads(t *testing.T) {
	t.Parallel()
	const kept = 2500
	m := &counting{}
	b := newBrowser(t, func(o *Options) { o.Archive = m })
	var specs []task.Spec
	var ids []string
	for i := range kept {
		ids = append(ids, "kept-"+strconv.Itoa(i))
		specs = append(specs, task.Spec{ID: ids[i]})
		m.tasks = append(m.tasks, archivedTask(ids[i], "k", i))
	}
	b.enqueue(specs...)
	for chunk := range slices.Chunk(ids, 1000) {
		b.act("tasks/stop", url.Values{"id": chunk})
	}
	m.tasks = slices.Insert(m.tasks, 700, archivedTask("between", "k", 700))
	m.tasks = append(m.tasks, archivedTask("old", "k", kept))
	m.reads = 0
	page := b.page("tasks?state=stopped&q=kind:k&after=" + inArchive + "0")
	// On a busy machine the time of a page may be over before its rows were read: the next page goes on.
	next := regexp.MustCompile(`rel="next" href="[^"]*?/(tasks\?[^"]*)"`)
	for more := next.FindStringSubmatch(page); more != nil; {
		found := b.page(html.UnescapeString(more[1]))
		page, more = page+found, next.FindStringSubmatch(found)
	}
	if !strings.Contains(page, "archived?id=between") || !strings.Contains(page, "archived?id=old") || m.reads > 40 {
		t.Errorf("%d reads; the page lacks a removed task: %v", m.reads, !strings.Contains(page, "archived?id=between"))
	}
	if strings.Contains(page, "hx-trigger") || !strings.Contains(page, "All tasks in Redis that match") {
		t.Error("the page is read again after each event, or says that a job changes archived tasks")
	}
	if len(b.c.searches) != 0 {
		t.Error("a place of a search is not given back")
	}
}

// An id that Redis has forgotten leads to the archive, with redacted data.
func TestArchivedTasksHaveAPage(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password")
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{tasks: []*task.Task{archivedTask("old", "k", 1)}}
	b := newBrowser(t, func(o *Options) { o.Archive, o.Redact = m, hide })
	for path, to := range map[string]string{"task?id=old": "archived?id=old", "tasks?q=old": "task?id=old"} {
		if status, text := b.do(http.MethodGet, b.path("")+path, nil); status != http.StatusSeeOther || !strings.Contains(text, to) {
			t.Errorf("%s: %d\n%s", path, status, text)
		}
	}
	again := b.page("enqueue?from=old")
	if !strings.Contains(again, "The archive has no labels") {
		t.Error("the form does not say what the archive lacks")
	}
	form := sendable(t, again)
	form.Set("id", "new")
	b.act("enqueue", form)
	if got := b.get("new"); string(got.Payload) != string(m.tasks[0].Payload) || got.Kind != "k" {
		t.Errorf("again: %+v", got)
	}
	page := b.page("archived?id=old")
	if strings.Contains(page, "x1x") || !strings.Contains(page, "disk full") || !strings.Contains(page, "•••") {
		t.Error("the page of the task shows a secret, or lacks its error")
	}
	if page := b.page("tasks?state=stopped&q=payload:x1x"); strings.Contains(page, "archived?id=old") {
		t.Error("a search finds a secret")
	}
	for _, path := range []string{"task?id=absent", "archived?id=absent"} {
		if status, _ := b.do(http.MethodGet, b.path("")+path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	m.err = errors.New("the database is away")
	if status, _ := b.do(http.MethodGet, b.path("task?id=absent"), nil); status != http.StatusServiceUnavailable {
		t.Errorf("without the archive: %d", status)
	}
}
