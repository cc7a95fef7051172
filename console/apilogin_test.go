package console

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const password = "correct horse battery"

// withUsers makes the console one with a password file and returns the file. Its users are ann,
// an operator of the pool, and new, who has to change the password.
func (b *browser) withUsers() string {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "users")
	for _, a := range []access.Account{{Name: "ann", Roles: map[string]access.Role{b.name: access.Operator}}, {Name: "new", Roles: map[string]access.Role{access.AllPools: access.Admin}, MustChange: true}} {
		a.Password = password
		if err := access.AddUser(file, a); err != nil {
			b.t.Fatal(err)
		}
	}
	gate, err := access.New(access.Options{Path: "/admin", PasswordFile: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	b.c.opts.Gate = gate
	return file
}

func (b *browser) token(file, user string, t access.Token) string {
	b.t.Helper()
	secret, err := access.AddToken(file, user, t)
	if err != nil {
		b.t.Fatal(err)
	}
	return "Bearer " + secret
}

// Programs log in with tokens, and get no login form.
func TestAPIAcceptsTokens(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	file := b.withUsers()
	b.enqueue(task.Spec{ID: "a"})
	right, narrow := b.token(file, "ann", access.Token{Name: "ci"}), b.token(file, "ann", access.Token{Name: "eyes", Roles: map[string]access.Role{b.name: access.Viewer}})
	stop := map[string]any{"ids": []string{"a"}}
	for _, x := range []struct {
		token     string
		status    int
		challenge string
	}{
		{"", 401, `Bearer realm="ltsworker"`},
		{"Bearer lts_wrong", 401, `Bearer realm="ltsworker", error="invalid_token"`},
		{"Basic YTpi", 401, `Bearer realm="ltsworker"`},
		{narrow, 403, ""},
		{b.token(file, "new", access.Token{Name: "x"}), 403, ""},
		{right, 200, ""},
	} {
		var headers []string
		if x.token != "" {
			headers = []string{"Authorization", x.token}
		}
		if got := b.api(http.MethodPost, b.at("/tasks/stop"), stop, headers...); got.status != x.status || got.header.Get("WWW-Authenticate") != x.challenge {
			t.Errorf("%.12s: %d %q %s", x.token, got.status, got.header.Get("WWW-Authenticate"), got.body)
		}
	}
	if e := b.audit(false)[1]; e.User != "ann" || e.Method != "token ci" || e.Action != "tasks/stop" {
		t.Errorf("%+v", e)
	}
	if e := b.audit(true)[0]; e.Method != "token eyes" || e.Action != "api POST /tasks/stop" {
		t.Errorf("%+v", e)
	}
	for range 20 {
		b.api(http.MethodGet, "/pools", nil, "Authorization", "Bearer lts_wrong")
	}
	if got := b.api(http.MethodGet, "/pools", nil, "Authorization", "Bearer lts_wrong"); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if got := b.api(http.MethodGet, "/pools", nil, "Authorization", right); got.status != http.StatusOK {
		t.Errorf("the right token after wrong ones of others: %d %s", got.status, got.body)
	}
	if status, _ := b.do(http.MethodGet, b.path("queues"), nil); status != http.StatusSeeOther {
		t.Errorf("a page answers %d", status)
	}
	if got := b.api(http.MethodGet, "/openapi.yaml", nil); got.status != http.StatusOK || !strings.HasPrefix(string(got.body), "openapi:") {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// The session of a browser is accepted. A request that a browser sends for another site is not.
func TestAPIAcceptsSessionsFromItsOwnPages(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.withUsers()
	b.enqueue(task.Spec{ID: "a"}, task.Spec{ID: "b"})
	resp, err := http.DefaultTransport.RoundTrip(b.form("/login", url.Values{"name": {"ann"}, "password": {password}}))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cookie := strings.Split(resp.Header.Get("Set-Cookie"), ";")[0]
	if got := b.api(http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"a"}}, "Cookie", cookie, "Sec-Fetch-Site", "same-origin"); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	got := b.api(http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"b"}}, "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
	if got.status != http.StatusForbidden || !strings.Contains(string(got.body), "another site") || b.get("b").State != task.Waiting {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func (b *browser) form(path string, form url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// Without Redis the list of pools has the error, and other requests may be repeated.
func TestAPIAnswersWithoutRedis(t *testing.T) {
	t.Parallel()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { rdb.Close() })
	b := newBrowser(t, nil)
	store := redisstore.New(rdb, b.name)
	t.Cleanup(func() { store.Close() })
	c, err := New(Options{Stores: []*redisstore.Store{store}, Gate: b.c.opts.Gate, Prefix: "/admin", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	b.url = server.URL + "/admin"
	if pools := must[apiPoolList](b, http.MethodGet, "/pools", nil).Pools; len(pools) != 1 || pools[0].Error == "" || pools[0].Counts != nil {
		t.Errorf("%+v", pools)
	}
	b.problem(http.MethodGet, b.at("/queues"), nil, http.StatusServiceUnavailable)
	b.problem(http.MethodPost, b.at("/tasks/stop"), map[string]any{"ids": []string{"a"}}, http.StatusServiceUnavailable)
	for lang, want := range map[string]string{"en": "Redis did not answer: ", "zh": "Redis 没有响应：连接被拒绝（"} {
		b.lang = lang
		if status, page := b.do(http.MethodGet, b.path("queues"), nil); status != http.StatusServiceUnavailable || !strings.Contains(page, want) {
			t.Errorf("%d\n%s", status, page)
		}
	}
}

// A batch that is refused in part says what became of each task.
func TestAPITellsWhichTasksOfABatchWereMade(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if _, err := b.store.Join(t.Context(), task.Registration{Replica: "r", Lease: time.Hour, Queues: map[string]task.QueueConfig{"q": {Workers: 1, MaxLen: 1}}}); err != nil {
		t.Fatal(err)
	}
	entry := func(id, queue string) map[string]string {
		return map[string]string{"kind": "k", "id": id, "queue": queue}
	}
	p := b.problem(http.MethodPost, b.at("/tasks/batch"), map[string]any{"tasks": []any{entry("a", "q"), entry("b", "q"), entry("c", "other")}}, http.StatusConflict)
	if len(p.Receipts) != 3 || p.Receipts[0].Error != "" || p.Receipts[1].Outcome != "refused" || p.Receipts[2].State != task.Waiting {
		t.Errorf("%+v", p)
	}
	if e := b.audit(false)[0]; e.Done != 2 || e.Error == "" {
		t.Errorf("%+v", e)
	}
}
