package console

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/console/access"
)

const passwordOfAlice = "correct horse battery"

// Logins and logouts are in the audit stream, failed logins in that of the refusals. What a
// stranger types as a name is in neither.
func TestLoginsAreRecorded(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	file := filepath.Join(t.TempDir(), "users")
	if err := access.AddUser(file, access.Account{Name: "alice", Roles: map[string]access.Role{b.name: access.Viewer}, Password: passwordOfAlice}); err != nil {
		t.Fatal(err)
	}
	gate, err := access.New(access.Options{PasswordFile: file, Path: "/admin"})
	if err != nil {
		t.Fatal(err)
	}
	o := b.c.opts
	o.Gate = gate
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c)
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values, want int) {
		t.Helper()
		resp, err := client.PostForm(server.URL+"/admin"+path, form)
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
	post("/login", url.Values{"name": {"alice"}, "password": {passwordOfAlice}}, http.StatusSeeOther)
	post("/logout", url.Values{}, http.StatusSeeOther)
	c.Close()
	got := b.audit(false)
	if len(got) != 2 || got[1].Action != "login" || got[1].User != "alice" || got[1].Method != access.MethodPassword || got[1].Target != "from 127.0.0.1" || got[0].Action != "logout" {
		t.Errorf("%+v", got)
	}
	refused := b.audit(true)
	if len(refused) != 2 || refused[1].User != "" || refused[0].User != "alice" || refused[0].Action != "login_failed" || refused[0].Error == "" || strings.Contains(fmt.Sprint(refused), "secret") {
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
	l.proxied(&access.User{Name: "other", Method: access.MethodProxy}, "192.0.2.3") // may see no pool
	b.c.Close()
	counted := 0
	for _, e := range b.audit(true) {
		counted += max(e.Count, 1)
	}
	if got := b.audit(true); len(got) > mostFailed+2 || counted != mostFailed+300 {
		t.Errorf("%d entries for %d failed logins", len(got), counted)
	}
	if got := b.audit(false); len(got) != 1 || got[0].User != "bob" || got[0].Action != "login" || got[0].Target != "from 192.0.2.2" {
		t.Errorf("%+v", got)
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
