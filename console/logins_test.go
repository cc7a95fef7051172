package console

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/redisstore"
)

// passwordOfUsers is that of all users of withPasswords.
const passwordOfUsers = "correct horse battery"

// withPasswords starts another console for the pool, with a login for each of the users. It returns its address.
func (b *browser) withPasswords(users map[string]access.Role) (c *Console, address string) {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "users")
	for name, role := range users {
		if err := access.AddUser(file, access.Account{Name: name, Roles: map[string]access.Role{b.name: role}, Password: passwordOfUsers}); err != nil {
			b.t.Fatal(err)
		}
	}
	o := b.c.opts
	var err error
	if o.Gate, err = access.New(access.Options{PasswordFile: file, Path: "/admin"}); err != nil {
		b.t.Fatal(err)
	}
	if c, err = New(o); err != nil {
		b.t.Fatal(err)
	}
	server := httptest.NewServer(c)
	b.t.Cleanup(server.Close)
	return c, server.URL + "/admin"
}

// Logins and logouts are in the audit stream, failed logins in that of the refusals. What a
// stranger types as a name is in neither.
func TestLoginsAreRecorded(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	c, address := b.withPasswords(map[string]access.Role{"alice": access.Viewer})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values, want int) {
		t.Helper()
		resp, err := client.PostForm(address+path, form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	post("/login", url.Values{"name": {"my secret password"}, "password": {""}}, http.StatusUnauthorized)
	post("/login", url.Values{"name": {"alice"}, "password": {"wrong"}}, http.StatusUnauthorized)
	post("/login", url.Values{"name": {"alice"}, "password": {passwordOfUsers}}, http.StatusSeeOther)
	post("/logout", url.Values{}, http.StatusSeeOther)
	wrong, err := http.NewRequest(http.MethodGet, address+apiRoot+"/pools", nil)
	if err != nil {
		t.Fatal(err)
	}
	wrong.Header.Set("Authorization", "Bearer lts_wrong")
	if resp, err := client.Do(wrong); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a wrong token: %v, %v", resp, err)
	}
	c.Close()
	got := b.audit(false)
	if len(got) != 2 || got[1].Action != "login" || got[1].User != "alice" || got[1].Method != access.MethodPassword || got[1].Target != "from 127.0.0.1" || got[0].Action != "logout" {
		t.Errorf("%+v", got)
	}
	refused := b.audit(true)
	if len(refused) != 3 || refused[0].Method != access.MethodToken || refused[0].Action != "login_failed" {
		t.Fatalf("%+v", refused)
	}
	if refused = refused[1:]; refused[1].User != "" || refused[0].User != "alice" || refused[0].Action != "login_failed" || refused[0].Error == "" || strings.Contains(fmt.Sprint(refused), "secret") {
		t.Errorf("%+v", refused)
	}
}

// Many failed logins are one entry with their number, and a user of a proxy logs in once.
func TestFailedLoginsAreCounted(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	l := b.c.logins
	for range mostFailed + 300 {
		l.add(access.Event{Kind: access.EventLoginFailed, Address: "192.0.2.1"})
	}
	user := &access.User{Name: "bob", Method: access.MethodProxy, Roles: map[string]access.Role{b.name: access.Viewer}}
	for range 5 {
		l.proxied(user, "192.0.2.2")
	}
	b.c.opts.Gate, _ = access.New(access.Options{Identify: func(*http.Request) (*access.User, error) { // a user of the API only
		return &access.User{Name: "eve", Method: access.MethodProxy, Roles: user.Roles}, nil
	}})
	b.api(http.MethodGet, b.at("/queues"), nil)
	l.proxied(&access.User{Name: "other", Method: access.MethodProxy}, "192.0.2.3") // may see no pool
	b.c.Close()
	counted := 0
	for _, e := range b.audit(true) {
		counted += max(e.Count, 1)
	}
	if got := b.audit(true); len(got) > mostFailed+2 || counted != mostFailed+300 {
		t.Errorf("%d entries for %d failed logins", len(got), counted)
	}
	if got := b.audit(false); len(got) != 2 || got[0].User != "eve" || got[1].User != "bob" || got[1].Action != "login" || got[1].Target != "from 192.0.2.2" {
		t.Errorf("%+v", got)
	}
}

// A console whose Redis is away closes in a bounded time, and the entries of other pools do not wait.
func TestLoginsDoNotWaitForPoolsThatAreAway(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // it accepts connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	rdb := redis.NewClient(&redis.Options{Addr: listener.Addr().String(), MaxRetries: -1, ContextTimeoutEnabled: true})
	defer rdb.Close()
	silent := redisstore.New(rdb, "silent")
	defer silent.Close()
	o := b.c.opts
	o.Stores, o.Logger = []*redisstore.Store{silent, b.store}, slog.New(slog.DiscardHandler)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	const n = 5 // a wait for the silent pool takes five seconds, as long as the close may take
	for range n {
		c.logins.add(access.Event{Kind: access.EventLogin, User: access.User{Name: "ann", Roles: map[string]access.Role{access.AllPools: access.Viewer}}})
	}
	begun := time.Now()
	c.logins.close()
	if took := time.Since(begun); took > 10*patience {
		t.Errorf("the console closes after %v", took)
	}
	c.logins = nil
	c.Close()
	if got := b.audit(false); len(got) != n {
		t.Errorf("the other pool has %d entries", len(got))
	}
}

// Failed logins take no places of other entries, and few of a day are written one by one.
func TestFailedLoginsAreFewEntries(t *testing.T) {
	t.Parallel()
	failed, now, alone := &tally{}, time.Now(), 0
	for range 24 * 60 {
		for range 100 {
			if failed.alone(now, mostFailed) {
				alone++
			}
		}
		now = now.Add(time.Minute)
	}
	if alone > 24*mostFailed || alone+failed.more != 24*60*100 {
		t.Errorf("%d of a day are written one by one, %d are counted", alone, failed.more)
	}
}

// The reason of a rejection quotes only what the redacted entry shows.
func TestReasonsOfRejectionsAreRedacted(t *testing.T) {
	t.Parallel()
	hide, err := RedactKeys("password")
	if err != nil {
		t.Fatal(err)
	}
	q := &request{c: &Console{opts: Options{Redact: hide}}}
	for reason, want := range map[string]string{
		`backoff must be "fixed:MS", not "x1x"`: `backoff must be "•••", not "•••"`,
		`"kimd" is not a field`:                 `"kimd" is not a field`,
		`not "kimd…"; it is "x1x \"y\" x1x"`:    `not "kimd…"; it is "•••"`,
		`no quotes`:                             `no quotes`,
	} {
		if got := q.hideReason(reason, `{"kimd":"k","password":"•••"}`); got != want {
			t.Errorf("%s is shown as %s", reason, got)
		}
	}
	b := newBrowser(t, func(o *Options) { o.Redact = hide })
	b.reject(`{"kind":"k","queue":"not a x1x"} tail`)
	if page := b.page("rejected"); strings.Contains(page, "x1x") || !strings.Contains(page, "<article>") {
		t.Error("the reason shows what the entry does not")
	}
	plain := newBrowser(t, nil)
	plain.reject(`{"kind":"k","queue":"not a x1x"}`)
	if page := plain.page("rejected"); !strings.Contains(page, "x1x") {
		t.Error("without a hook the reason is not shown")
	}
}

// Refusals of a user beyond some in an hour are one entry with their number, so that they do not push others out.
func TestManyRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.as(access.Viewer)
	for range mostRefused + 30 {
		if status, _ := b.do(http.MethodPost, b.path("tasks/stop"), url.Values{"id": {"a"}}); status != http.StatusForbidden {
			t.Fatalf("%d", status)
		}
	}
	b.c.Close()
	got := b.audit(true)
	if len(got) != mostRefused+1 || got[0].Count != 30 || got[0].User != "ann" || got[0].Action != "refused" {
		t.Errorf("%d entries, the last one %+v", len(got), got[0])
	}
}
