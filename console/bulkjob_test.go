package console

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// askBulk posts the form of a list and returns the job.
func (b *browser) askBulk(verb string, form url.Values) string {
	b.t.Helper()
	b.act("bulk/"+verb, form)
	jobs, _, err := b.c.sites[b.name].bulk.List(b.t.Context())
	if err != nil || len(jobs) == 0 {
		b.t.Fatalf("%v, %v", jobs, err)
	}
	return jobs[0].ID
}

// bulkPage waits until the page of a job has a text.
func (b *browser) bulkPage(id, want string) string {
	b.t.Helper()
	for late := time.Now().Add(patient); ; {
		text := b.page("bulk/job?id=" + id)
		if strings.Contains(text, want) {
			return text
		}
		if time.Now().After(late) {
			b.t.Fatalf("the page has no %q:\n%s", want, text)
		}
		time.Sleep(10 * time.Millisecond) // the job runs in the background
	}
}

// marked checks that the navigation of a page marks one entry, that of a section.
func (b *browser) marked(page, section string) {
	b.t.Helper()
	marks := regexp.MustCompile(`<a href="([^"]*)" aria-current="page"`).FindAllStringSubmatch(page, -1)
	if len(marks) != 1 || marks[0][1] != "/admin"+b.path(section) {
		b.t.Errorf("the navigation marks %q, want %s", marks, section)
	}
}

// A user acts on all tasks of a list: the page shows the exact count, asks for a reason and the
// count, and then how it went.
func TestUserActsOnAllTasksThatMatch(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for i := range 130 {
		b.enqueue(task.Spec{Kind: "mail", ID: fmt.Sprint("m", i)}, task.Spec{Kind: "other"})
	}
	list := b.page("tasks?q=kind:mail&state=waiting")
	b.marked(list, "tasks")
	for verb, want := range map[string]bool{"stop": true, "change": true, "delete": false, "retry": false} {
		if strings.Contains(list, `formaction="`+"/admin"+b.path("bulk/"+verb)+`"`) != want {
			t.Errorf("the list offers %s: %v", verb, !want)
		}
	}
	id := b.askBulk("stop", url.Values{"q": {"kind:mail"}, "state": {"waiting"}})
	page := b.bulkPage(id, "130 tasks match")
	b.marked(page, "bulk")
	if !strings.Contains(page, "Type 130 to confirm") || !strings.Contains(page, "<dd>mail</dd>") {
		t.Errorf("the page of the count:\n%s", page)
	}
	for _, form := range []url.Values{{"count": {"129"}, "reason": {"x"}}, {"count": {"130"}}, {"count": {""}, "reason": {"x"}}} {
		form.Set("id", id)
		if status, text := b.do(http.MethodPost, b.path("bulk/confirm"), form); status != http.StatusBadRequest {
			t.Errorf("%v: %d\n%s", form, status, text)
		}
	}
	if got := b.get("m0").State; got != task.Waiting || len(b.audit(false)) != 1 {
		t.Errorf("before the confirmation m0 is %s, the audit stream has %v", got, b.audit(false))
	}
	b.act("bulk/confirm", url.Values{"id": {id}, "count": {" 130 "}, "reason": {"wrong <list>"}})
	page = b.bulkPage(id, "Ended</dt>")
	if !strings.Contains(page, "wrong &lt;list&gt;") || !regexp.MustCompile(`Changed</dt><dd>130<`).MatchString(page) {
		t.Errorf("the page of the end:\n%s", page)
	}
	if got := b.get("m129"); got.State != task.Stopped || got.StopWhy != "wrong <list>" {
		t.Errorf("%+v", got)
	}
	if entries := b.audit(false); len(entries) != 3 || entries[1].Count != 130 || entries[1].User != "ann" || !strings.Contains(entries[1].Target, "`kind:mail`") {
		t.Errorf("audit %+v", entries)
	}
	b.marked(b.page("bulk"), "bulk")
	if list := b.page("bulk"); !strings.Contains(list, id) || !strings.Contains(list, "kind:mail") {
		t.Errorf("the list of jobs:\n%s", list)
	}
	if status, _ := b.do(http.MethodPost, b.path("bulk/cancel"), url.Values{"id": {id}}); status != http.StatusConflict {
		t.Errorf("the cancel of an ended job: %d", status)
	}
	if status, _ := b.do(http.MethodGet, b.path("bulk/job?id=absent"), nil); status != http.StatusNotFound {
		t.Errorf("a job that does not exist: %d", status)
	}
}

// A viewer may see jobs only. An operator may not confirm a job that deletes tasks, which an
// admin has asked for. Both refusals are recorded.
func TestJobsNeedTheRoleOfTheirAction(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	b.act("tasks/stop", url.Values{"id": {"a"}})
	form := url.Values{"q": {""}, "state": {"stopped"}}
	id := b.askBulk("delete", form)
	b.bulkPage(id, "1 tasks match")
	yes := url.Values{"id": {id}, "count": {"1"}, "reason": {"x"}}
	for role, paths := range map[access.Role][]string{access.Viewer: {"bulk/delete", "bulk/retry", "bulk/confirm", "bulk/cancel"}, access.Operator: {"bulk/delete", "bulk/confirm"}} {
		b.as(role)
		for _, path := range paths {
			if status, text := b.do(http.MethodPost, b.path(path), yes); status != http.StatusForbidden {
				t.Errorf("%s as %s: %d\n%s", path, role, status, text)
			}
		}
		page := b.page("bulk/job?id=" + id)
		if strings.Contains(page, "bulk/confirm") || strings.Contains(b.page("tasks?state=stopped"), "bulk/delete") {
			t.Errorf("a page offers %s what it may not do", role)
		}
	}
	if refused := b.audit(true); len(refused) != 6 {
		t.Errorf("%d refusals: %+v", len(refused), refused)
	}
	b.as(access.Admin)
	b.act("bulk/confirm", yes)
	b.bulkPage(id, "Ended</dt>")
	if tasks, err := b.store.Get(t.Context(), "a"); err != nil || tasks[0] != nil {
		t.Errorf("%v, %v", tasks, err)
	}
}

// What a query cannot mean is refused, and a search in payloads compares what is shown.
func TestQueriesOfJobsAreThoseOfLists(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, func(o *Options) {
		o.Redact = func(_, key string, value []byte) []byte {
			if key == "payload" {
				return []byte(strings.ReplaceAll(string(value), "secret", "•••"))
			}
			return value
		}
	})
	b.enqueue(task.Spec{Payload: []byte(`"secret"`)}, task.Spec{Payload: []byte(`"plain"`)}, task.Spec{Group: "acme", Payload: []byte(`"secret"`)})
	for _, form := range []url.Values{
		{"q": {"id:a"}, "state": {"waiting"}}, {"q": {"unique:a"}, "state": {"waiting"}}, {"q": {"state:failed"}, "state": {"waiting"}},
		{"q": {"stat:failed"}, "state": {"waiting"}}, {"q": {""}, "state": {"failed"}}, {"q": {"kind:{"}, "state": {"waiting"}},
	} {
		if status, text := b.do(http.MethodPost, b.path("bulk/stop"), form); status != http.StatusBadRequest {
			t.Errorf("%v: %d\n%s", form, status, text)
		}
	}
	for query, want := range map[string]int{"payload:secret": 0, "payload:plain": 1, "group:acme": 1, "age:<1h": 3, "age:>1h": 0, "": 3} {
		id := b.askBulk("change", url.Values{"q": {query}, "state": {"waiting"}, "priority": {"3"}})
		for late := time.Now().Add(patient); ; {
			job, err := b.c.sites[b.name].bulk.Get(t.Context(), id)
			if err != nil || time.Now().After(late) {
				t.Fatalf("%+v, %v", job, err)
			}
			if job.Phase == bulk.Counted || job.Phase.Ended() {
				if job.Counted != want {
					t.Errorf("%q counts %d, want %d", query, job.Counted, want)
				}
				break
			}
			time.Sleep(10 * time.Millisecond) // the job runs in the background
		}
	}
}

// A page of jobs follows a job that makes no events: its browser gets a message
// without an event.
func TestBrowsersFollowJobs(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.listen("")
	s.next()
	b.reading()
	h := b.c.sites[b.name].hub
	for { // a message may be gathered with one of the events before
		h.notify()
		if id, m := s.next(); id == "" && m.Events == 1 && !m.Reset {
			break
		}
	}
}

// With the Redis user of a viewer the pages say why no action on all tasks is possible.
func TestViewersConsoleOffersNoJobs(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	full := redisstore.New(server.Client(t), "default")
	defer full.Close()
	if _, err := full.Enqueue(t.Context(), []task.Spec{{Kind: "k"}}); err != nil {
		t.Fatal(err)
	}
	u := server.User(t, "viewer", "resetkeys", "%R~lts:{default}:*", "resetchannels", "-@all", "+@read", "+@connection", "-@admin", "-@dangerous",
		"+info", "+time", "+eval_ro", "+evalsha_ro", "+cluster|slots")
	reading := redisstore.New(u.Client(t), "default")
	defer reading.Close()
	b := newBrowser(t, func(o *Options) { o.Stores = []*redisstore.Store{reading} })
	b.c.opts.Gate = open(t)
	b.name = "default"
	if page := b.page("tasks?state=waiting"); strings.Contains(page, "bulk/stop") || !strings.Contains(page, "may only read") {
		t.Errorf("%s", page)
	}
	status, text := b.do(http.MethodPost, b.path("bulk/stop"), url.Values{"state": {"waiting"}})
	if status != http.StatusForbidden || !strings.Contains(text, "may read the pool") {
		t.Errorf("%d\n%s", status, text)
	}
}
