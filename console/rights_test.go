package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// Each route is tried with each role. A role below that of the route gets 403, a user without a role
// 404, as for a pool that does not exist. All refusals are recorded.
func TestEachRouteNeedsItsRole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	refused := 0
	for _, r := range routes {
		path := b.path("") + strings.TrimSuffix(r.page, "{$}")
		for _, role := range []access.Role{access.None, access.Viewer, access.Operator, access.Admin} {
			b.as(role)
			want := 0
			switch {
			case role == access.None:
				want = http.StatusNotFound
				refused++
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
	b.c.Close() // which writes the refusals of users without a role
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

// Each route of the API is tried as each role, as those of the pages.
func TestEachAPIRouteNeedsItsRole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	refused := 0
	for _, r := range apiRoutes {
		path := strings.NewReplacer("/pools/{pool}", b.at(""), "{scope}/{name}", "queue/default", "{scope}", "pool", "{name}", "x", "{id}", "x", "{replica}", "x", "{queue}", "x").Replace(r.path)
		for _, role := range []access.Role{access.None, access.Viewer, access.Operator, access.Admin} {
			b.as(role)
			want := 0
			switch {
			case r.role == access.None:
				want = http.StatusOK
			case role == access.None:
				want = http.StatusNotFound
				refused++
			case role < r.role:
				want = http.StatusForbidden
				refused++
			}
			var body any
			if r.method != http.MethodGet && r.method != http.MethodDelete {
				body = map[string]any{}
			}
			got := b.api(r.method, path, body)
			if want != 0 && got.status != want || want == 0 && (got.status == http.StatusForbidden || got.status >= http.StatusInternalServerError) {
				t.Errorf("%s %s as %s: %d, want %d\n%s", r.method, path, role, got.status, want, got.body)
			}
		}
		if r.method != http.MethodGet && r.role < access.Operator {
			t.Errorf("a viewer may do %s %s", r.method, r.path)
		}
	}
	b.as(access.None)
	if pools := must[apiPoolList](b, http.MethodGet, "/pools", nil).Pools; len(pools) != 0 {
		t.Errorf("%+v", pools)
	}
	b.c.Close() // which writes the refusals of users without a role
	if entries := b.audit(true); len(entries) != refused || refused == 0 || !strings.HasPrefix(entries[0].Action, "api ") {
		t.Errorf("%d refusals are recorded, want %d: %+v", len(entries), refused, entries[0])
	}
}

// A pool that the user may not see and one that does not exist have the same answer.
func TestForeignPoolsAreNotFound(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.as(access.None)
	_, foreign := b.do(http.MethodGet, b.path("tasks"), nil)
	_, absent := b.do(http.MethodGet, "/p/team%2Fabsent/tasks", nil)
	if strings.NewReplacer(b.name, "team/absent", url.PathEscape(b.name), "team%2Fabsent").Replace(foreign) != absent {
		t.Errorf("the answers differ:\n%s\n%s", foreign, absent)
	}
	if status, _ := b.do(http.MethodGet, "/", nil); status != http.StatusForbidden {
		t.Errorf("a user without a role: %d", status)
	}
}

// Requests that a browser sends for another site change nothing and are in the stream of refusals of their pool. Many are
// one entry with their number.
func TestRequestsFromOtherSitesAreRefusedAndRecorded(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	cross := func(path, origin string) {
		t.Helper()
		r := b.form(path, url.Values{"id": {"a"}})
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", origin)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden || b.get("a").State != task.Waiting {
			t.Errorf("%s: %d, the task is %s", path, resp.StatusCode, b.get("a").State)
		}
	}
	cross(b.path("tasks/stop"), "https://evil.example")
	cross(b.path("no/page"), "null")
	cross(apiRoot+b.at("/tasks/stop"), "https://evil.example/"+strings.Repeat("x", 9000))
	cross("/logout", "https://evil.example")
	b.withUsers() // no user has logged in
	for range mostFailed + 30 {
		cross(b.path("pause"), "https://evil.example")
	}
	b.c.Close()
	got := b.audit(true)
	if len(got) != 4+mostFailed+1 {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	if last := got[0]; last.Count != 30 || last.User != "" || last.Action != "refused" {
		t.Errorf("the last entry is %+v", last)
	}
	slices.Reverse(got)
	for i, want := range []string{"tasks/stop", "POST " + b.path("no/page"), "api POST /tasks/stop", "POST /logout"} {
		if e := got[i]; e.Action != want || e.User != "ann" || !strings.HasPrefix(e.Error, fromOtherSite) || len(e.Error) > 200 || e.Target == "" {
			t.Errorf("%+v, want the action %s", e, want)
		}
	}
	if e := got[4]; e.User != "" || e.Action != "pause" || e.Error != fromOtherSite+": https://evil.example" {
		t.Errorf("%+v", e)
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
		if r.method != http.MethodGet || slices.Contains([]string{"live", "log", "chart", "words", "archived", "task", "trigger", "queue", "group", "bulk/job"}, r.page) {
			continue
		}
		b.page(strings.TrimSuffix(r.page, "{$}") + "?state=waiting")
	}
	b.page("task?id=a")
	for _, r := range apiRoutes {
		if r.method == http.MethodGet && !strings.Contains(r.path, "triggers/") && !strings.Contains(r.path, "rules/") && !strings.Contains(r.path, "bulk/") {
			path := strings.NewReplacer("{pool}", "default", "{id}", "a", "{scope}/{name}", "queue/default", "{scope}", "groups").Replace(r.path)
			if strings.HasSuffix(path, "/tasks") {
				path += "?state=waiting"
			}
			if got := b.api(r.method, path, nil); got.status != http.StatusOK {
				t.Errorf("%s: %d %s", path, got.status, got.body)
			}
		}
	}
	b.problem(http.MethodPost, "/pools/default/bulk", map[string]any{"verb": "stop", "state": "waiting"}, http.StatusForbidden)
	if p := b.problem(http.MethodPost, "/pools/default/tasks/stop", map[string]any{"ids": []string{"a"}}, http.StatusForbidden); !strings.Contains(p.Detail, "audit") {
		t.Errorf("%+v", p)
	}
	if status, text := b.do(http.MethodPost, "/p/default/tasks/stop", url.Values{"id": {"a"}}); status != http.StatusForbidden || !strings.Contains(text, "audit") {
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
