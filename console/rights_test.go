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

// Each route is tried as each role: a role below that of the route gets 403, or 404 if it may
// not even know of the pool. Refusals of a user of the pool are recorded.
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
	_, foreign := b.do(http.MethodGet, b.path("tasks"), nil)
	_, absent := b.do(http.MethodGet, "/p/team%2Fabsent/tasks", nil)
	if strings.NewReplacer(b.name, "team/absent", url.PathEscape(b.name), "team%2Fabsent").Replace(foreign) != absent {
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
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+b.path("tasks/stop"), strings.NewReader("id=a"))
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
		if r.method != http.MethodGet || slices.Contains([]string{"live", "log", "chart", "archived", "task", "trigger", "queue", "group"}, r.page) {
			continue
		}
		b.page(strings.TrimSuffix(r.page, "{$}") + "?state=waiting")
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
