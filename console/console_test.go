package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// browser makes requests as one user of a console over a pool of its own.
type browser struct {
	t     *testing.T
	url   string
	role  *atomic.Uint32 // of the user in the pool
	store *redisstore.Store
	rdb   *redis.Client
	name  string // of the pool
	c     *Console
}

var tests atomic.Int64

func newBrowser(t *testing.T, change func(*Options)) *browser {
	t.Helper()
	rdb := redisserver.Shared(t).Client(t)
	b := &browser{t: t, rdb: rdb, name: fmt.Sprint("console", tests.Add(1)), role: &atomic.Uint32{}}
	b.store = redisstore.New(rdb, b.name)
	t.Cleanup(func() { b.store.Close() })
	b.as(access.Admin)
	gate, err := access.New(access.Options{Identify: func(*http.Request) (*access.User, error) {
		return &access.User{Name: "ann", Roles: map[string]access.Role{b.name: access.Role(b.role.Load())}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Stores: []*redisstore.Store{b.store}, Gate: gate}
	if change != nil {
		change(&o)
	}
	if b.c, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.c.Close)
	server := httptest.NewServer(b.c)
	t.Cleanup(server.Close)
	b.url = server.URL + o.Prefix
	return b
}

func (b *browser) as(r access.Role) { b.role.Store(uint32(r)) }

// do makes a request and returns its status and body. Redirects are not followed.
func (b *browser) do(method, path string, form url.Values) (int, string) {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// page reads a page of the pool and checks that it is complete.
func (b *browser) page(path string) string {
	b.t.Helper()
	status, text := b.do(http.MethodGet, "/p/"+b.name+"/"+path, nil)
	if status != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(text), "</html>") {
		b.t.Fatalf("%s: %d\n%s", path, status, text)
	}
	return text
}

// act posts a form and checks that it leads back to a page.
func (b *browser) act(path string, form url.Values) {
	b.t.Helper()
	if status, text := b.do(http.MethodPost, "/p/"+b.name+"/"+path, form); status != http.StatusSeeOther {
		b.t.Fatalf("%s: %d\n%s", path, status, text)
	}
}

func (b *browser) enqueue(specs ...task.Spec) {
	b.t.Helper()
	for i := range specs {
		if specs[i].Kind == "" {
			specs[i].Kind = "k"
		}
	}
	receipts, err := b.store.Enqueue(b.t.Context(), specs)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Err != nil {
			b.t.Fatal(r.Err)
		}
	}
}

func (b *browser) get(id string) *task.Task {
	b.t.Helper()
	tasks, err := b.store.Get(b.t.Context(), id)
	if err != nil || tasks[0] == nil {
		b.t.Fatalf("%s: %v, %v", id, tasks, err)
	}
	return tasks[0]
}

func (b *browser) audit(refused bool) []task.AuditEntry {
	b.t.Helper()
	entries, err := b.store.AuditLog(b.t.Context(), "", 1000, refused)
	if err != nil {
		b.t.Fatal(err)
	}
	return entries
}

// Each route is tried as each role: a role below that of the route gets 403, or 404 if it may
// not even know of the pool. Refusals of a user of the pool are recorded.
func TestEachRouteNeedsItsRole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	refused := 0
	for _, r := range routes {
		path := "/p/" + b.name + "/" + strings.TrimSuffix(r.page, "{$}")
		for _, role := range []access.Role{access.None, access.Viewer, access.Operator, access.Admin} {
			b.as(role)
			want := 0
			switch {
			case role == access.None:
				want = http.StatusNotFound
			case role < r.role:
				want = http.StatusForbidden
				refused++
			case r.page == "live": // has no end
				continue
			}
			status, text := b.do(r.method, path, url.Values{})
			if want != 0 && status != want || want == 0 && status == http.StatusForbidden {
				t.Errorf("%s %s as %s: %d, want %d", r.method, r.page, role, status, want)
			}
			if status >= http.StatusInternalServerError {
				t.Errorf("%s %s as %s: %d\n%s", r.method, r.page, role, status, text)
			}
		}
		if r.method == http.MethodPost && r.role < access.Operator {
			t.Errorf("a viewer may do %s", r.page)
		}
	}
	entries := b.audit(true)
	if len(entries) != refused || refused == 0 {
		t.Errorf("%d refusals are recorded, want %d", len(entries), refused)
	}
	for _, e := range entries {
		if e.User != "ann" || e.Method != access.MethodCallback || e.Action == "" || e.At.IsZero() {
			t.Errorf("refusal %+v", e)
		}
	}
}

// A pool that the user may not see and one that does not exist have the same answer.
func TestForeignPoolsAreNotFound(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.as(access.None)
	_, foreign := b.do(http.MethodGet, "/p/"+b.name+"/tasks", nil)
	_, absent := b.do(http.MethodGet, "/p/absent/tasks", nil)
	if strings.ReplaceAll(foreign, b.name, "absent") != absent {
		t.Errorf("the answers differ:\n%s\n%s", foreign, absent)
	}
	if status, _ := b.do(http.MethodGet, "/", nil); status != http.StatusForbidden {
		t.Errorf("a user without a role: %d", status)
	}
}

func TestRequestsFromOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/p/"+b.name+"/tasks/stop", strings.NewReader("id=a"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || b.get("a").State != task.Waiting {
		t.Errorf("%d, the task is %s", resp.StatusCode, b.get("a").State)
	}
}

// What tasks contain is shown as text, cut, and without characters that change the order of
// the text around them.
func TestTasksCannotAddMarkup(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	evil := `<script>alert(1)</script>`
	b.enqueue(task.Spec{ID: "text", Payload: []byte(evil + "\u202e"), Headers: map[string]string{"h": evil}},
		task.Spec{ID: "long", Payload: []byte(strings.Repeat("x", 1_000_000))})
	for _, id := range []string{"text", "long"} {
		page := b.page("task?id=" + id)
		if strings.Contains(page, evil) || strings.Contains(page, "\u202e") {
			t.Errorf("%s has the text as it is", id)
		}
		if len(page) > 3*shown {
			t.Errorf("%s has %d bytes", id, len(page))
		}
	}
	if page := b.page("task?id=text"); !strings.Contains(page, "&lt;script&gt;") {
		t.Error("the payload is not shown")
	}
	if page := b.page("task?id=long"); !strings.Contains(page, "of 1000000 bytes") {
		t.Error("the page does not say that the payload is cut")
	}
	b.page("tasks?state=waiting&q=" + url.QueryEscape("payload:"+evil))
}

func TestSecretsAreRedactedBeforeTheyAreShown(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, func(o *Options) {
		o.Redact = func(kind, key string, value []byte) []byte {
			return []byte(strings.ReplaceAll(string(value), "secret", "***"))
		}
	})
	b.enqueue(task.Spec{ID: "a", Payload: []byte(`{"card":"secret"}`), Headers: map[string]string{"auth": "secret"}})
	if page := b.page("task?id=a"); strings.Contains(page, "secret") || strings.Count(page, "***") < 2 {
		t.Error(page)
	}
}

// A user changes tasks, queues, groups and triggers, and every change is in the audit stream
// before its outcome.
func TestActionsChangeThePoolAndAreRecorded(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "b", Delay: time.Hour}, task.Spec{ID: "c"})
	b.act("tasks/stop", url.Values{"id": {"a", "c"}, "reason": {"too old"}})
	if got := b.get("a"); got.State != task.Stopped || got.StopWhy != "too old" {
		t.Errorf("stopped: %+v", got)
	}
	b.act("tasks/run", url.Values{"id": {"b"}})
	if got := b.get("b").State; got != task.Waiting {
		t.Errorf("b is %s", got)
	}
	b.act("tasks/retry", url.Values{"id": {"a"}, "payload": {`{"n":2}`}, "priority": {"5"}})
	if got := b.get("a"); got.State != task.Waiting || string(got.Payload) != `{"n":2}` || got.Priority != 5 {
		t.Errorf("retried: %+v", got)
	}
	b.act("enqueue", url.Values{"kind": {"k"}, "id": {"made"}, "payload": {`{"n":1}`}, "priority": {"-3"}, "delay": {"2h"}})
	if got := b.get("made"); got.State != task.Scheduled || string(got.Payload) != `{"n":1}` || got.Priority != -3 {
		t.Errorf("enqueued: %+v", got)
	}
	b.act("tasks/delete", url.Values{"id": {"c"}})
	if tasks, err := b.store.Get(t.Context(), "c"); err != nil || tasks[0] != nil {
		t.Errorf("deleted: %v, %v", tasks, err)
	}
	b.act("pause", url.Values{"queue": {task.DefaultQueue}})
	b.act("limit", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "limit": {"7"}})
	b.act("rate", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "rate": {"10/s burst 5"}})
	s, err := b.store.Stats(t.Context())
	if q := s.Queues[0]; err != nil || !q.Paused || q.Limit != 7 || q.Rate.String() != "10/s burst 5" {
		t.Errorf("queue %+v, %v", q, err)
	}
	b.act("resume", url.Values{"queue": {task.DefaultQueue}})
	if s, err = b.store.Stats(t.Context()); err != nil || s.Queues[0].Paused {
		t.Errorf("the queue is still paused, %v", err)
	}
	entries := b.audit(false)
	slices.Reverse(entries)
	if len(entries) != 18 {
		t.Fatalf("%d entries, want 18: %+v", len(entries), entries)
	}
	if e := entries[0]; e.Action != "tasks/stop" || e.Target != "a c" || e.Count != 2 || e.Reason != "too old" || e.User != "ann" {
		t.Errorf("the first entry is %+v", e)
	}
	if e := entries[1]; e.Of != entries[0].ID || e.Done != 2 || e.Error != "" {
		t.Errorf("its outcome is %+v", e)
	}
	page := b.page("audit")
	if !strings.Contains(page, "tasks/stop") || !strings.Contains(page, "too old") {
		t.Error("the page does not show the stop")
	}
}

// What is wrong is said on the page, and nothing changes.
func TestWrongFormsAreExplained(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	for _, x := range []struct {
		path string
		form url.Values
		want string
	}{
		{"tasks/stop", url.Values{}, "Nothing is chosen"},
		{"limit", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "limit": {"-1"}}, "number from 1 on"},
		{"rate", url.Values{"scope": {"queue"}, "name": {task.DefaultQueue}, "rate": {"fast"}}, "rate"},
		{"tasks/retry", url.Values{"id": {"a"}, "priority": {"900"}}, "-128 to 127"},
	} {
		status, text := b.do(http.MethodPost, "/p/"+b.name+"/"+x.path, x.form)
		if status != http.StatusBadRequest || !strings.Contains(text, x.want) {
			t.Errorf("%s: %d\n%s", x.path, status, text)
		}
	}
	status, text := b.do(http.MethodGet, "/p/"+b.name+"/tasks?q=stat:failed", nil)
	if status != http.StatusBadRequest || !strings.Contains(text, "did you mean state?") {
		t.Errorf("%d\n%s", status, text)
	}
	if status, text = b.do(http.MethodGet, "/p/"+b.name+"/task?id=absent", nil); status != http.StatusNotFound || !strings.Contains(text, "no task absent") {
		t.Errorf("%d\n%s", status, text)
	}
	if got := b.get("a"); got.State != task.Waiting {
		t.Errorf("the task is %s", got.State)
	}
}

// calls counts the commands that a client sends.
type calls struct{ n atomic.Int64 }

func (c *calls) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *calls) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}
func (c *calls) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// A change whose event was read is on the next page, also within the second in which viewers
// share one picture.
func TestPicturesHaveTheChangesOfTheEvents(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.listen("")
	b.reading()
	for i := range 5 {
		id := fmt.Sprint("t", i)
		b.enqueue(task.Spec{ID: id, Queue: id})
		for {
			if _, m := s.next(); slices.Contains(m.Tasks, id) {
				break
			}
		}
		if page := b.page("queues"); !strings.Contains(page, `id="`+id+`"`) {
			t.Fatalf("queue %s is missing", id)
		}
	}
}

// Many viewers of a page cause as many calls as one.
func TestViewersShareOneRead(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	b.page("queues")
	s := b.c.sites[b.name]
	var sent calls
	b.rdb.AddHook(&sent)
	s.forget()
	b.page("queues")
	one := sent.n.Load()
	s.forget()
	s.mu.Lock() // nobody reads before all of them wait
	var viewers sync.WaitGroup
	for range 200 {
		viewers.Go(func() {
			if _, err := s.picture(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	s.mu.Unlock()
	viewers.Wait()
	if got := sent.n.Load() - one; one == 0 || got > 2*one { // two if the reads take more than a second
		t.Errorf("%d calls for 200 viewers, %d for one", got, one)
	}
}

// The Redis user of a viewer reads every page. It changes nothing, and its page says why.
func TestConsoleWorksWithTheRedisUserOfAViewer(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	full := redisstore.New(server.Client(t), "default")
	defer full.Close()
	if _, err := full.Enqueue(t.Context(), []task.Spec{{Kind: "k", ID: "a"}}); err != nil {
		t.Fatal(err)
	}
	u := server.User(t, "viewer", "resetkeys", "%R~lts:{default}:*", "resetchannels", "-@all", "+@read", "+@connection", "-@admin", "-@dangerous",
		"+info", "+time", "+eval_ro", "+evalsha_ro", "+cluster|slots")
	reading := redisstore.New(u.Client(t), "default")
	defer reading.Close()
	b := newBrowser(t, func(o *Options) { o.Stores = []*redisstore.Store{reading} })
	b.c.opts.Gate = open(t)
	b.name = "default"
	for _, r := range routes {
		if r.method != http.MethodGet || r.page == "live" || r.page == "task" || r.page == "trigger" {
			continue
		}
		b.page(strings.TrimSuffix(r.page, "{$}"))
	}
	b.page("task?id=a")
	if status, text := b.do(http.MethodPost, "/p/default/tasks/stop", url.Values{"id": {"a"}}); status < 400 || !strings.Contains(text, "audit") {
		t.Errorf("%d\n%s", status, text)
	}
}

func open(t *testing.T) *access.Gate {
	t.Helper()
	gate, err := access.New(access.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	return gate
}
