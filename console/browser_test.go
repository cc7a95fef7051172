package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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
	// authorization is the header of requests of the API; "" for none.
	authorization string
	lang          string // of the pages; "" for English
	c             *Console
	jar           http.CookieJar // nil for no cookies
}

var tests atomic.Int64

func newBrowser(t *testing.T, change func(*Options)) *browser {
	t.Helper()
	rdb := redisserver.Shared(t).Client(t)
	b := &browser{t: t, rdb: rdb, name: fmt.Sprint("team/", tests.Add(1)), role: &atomic.Uint32{}}
	b.store = redisstore.New(rdb, b.name)
	t.Cleanup(func() { b.store.Close() })
	b.as(access.Admin)
	gate, err := access.New(access.Options{Path: "/admin", Identify: func(*http.Request) (*access.User, error) {
		return &access.User{Name: "ann", Roles: map[string]access.Role{b.name: access.Role(b.role.Load())}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Stores: []*redisstore.Store{b.store}, Gate: gate, Prefix: "/admin"}
	if change != nil {
		change(&o)
	}
	if b.c, err = New(o); err != nil {
		t.Fatal(err)
	}
	b.c.searchTime = time.Minute // on a busy machine, too, the first page has all that fits
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
	if b.lang != "" {
		r.Header.Set("Accept-Language", b.lang)
	}
	if b.jar != nil {
		for _, c := range b.jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if b.jar != nil {
		b.jar.SetCookies(r.URL, resp.Cookies())
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// path returns the path of a page of the pool.
func (b *browser) path(page string) string { return "/p/" + url.PathEscape(b.name) + "/" + page }

// page reads a page of the pool and checks that it is complete.
func (b *browser) page(path string) string {
	b.t.Helper()
	status, text := b.do(http.MethodGet, b.path("")+path, nil)
	if status != http.StatusOK || !strings.HasSuffix(strings.TrimSpace(text), "</html>") {
		b.t.Fatalf("%s: %d\n%s", path, status, text)
	}
	return text
}

// act posts a form and checks that it leads back to a page.
func (b *browser) act(path string, form url.Values) {
	b.t.Helper()
	if status, text := b.do(http.MethodPost, b.path("")+path, form); status != http.StatusSeeOther {
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

// spread makes the children of a parent.
func (b *browser) spread(parent string) {
	b.t.Helper()
	for late := time.Now().Add(patient); b.get(parent).Counts.Unmade > 0; {
		if _, err := b.store.Spread(b.t.Context()); err != nil || time.Now().After(late) {
			b.t.Fatalf("the children of %s: %+v, %v", parent, b.get(parent).Counts, err)
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
