package console

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// An admin of all pools sees who is logged in and ends the sessions of a user. Others may not, and both are recorded.
func TestAdminsEndSessions(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	c, address := b.withPasswords(map[string]access.Role{"alice": access.Operator, "root": access.Admin})
	as := func() func(method, path string, form url.Values) (int, string) {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		one := *b
		one.url, one.jar = address, jar
		return one.do
	}
	alice, root := as(), as()
	login := func(who func(string, string, url.Values) (int, string), name string) {
		if status, text := who(http.MethodPost, "/login", url.Values{"name": {name}, "password": {passwordOfUsers}}); status != http.StatusSeeOther {
			t.Fatalf("%d %s", status, text)
		}
	}
	login(alice, "alice")
	login(root, "root")
	if status, text := alice(http.MethodGet, b.path(""), nil); status != http.StatusOK || strings.Contains(text, "/admin/sessions") {
		t.Errorf("%d %s", status, text)
	}
	for _, r := range [][2]string{{http.MethodGet, "/sessions"}, {http.MethodPost, "/sessions/end"}} {
		if status, _ := alice(r[0], r[1], url.Values{"user": {"root"}}); status != http.StatusForbidden {
			t.Errorf("an operator gets %d for %s", status, r[1])
		}
	}
	if status, text := root(http.MethodGet, b.path(""), nil); status != http.StatusOK || !strings.Contains(text, `href="/admin/sessions"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := root(http.MethodGet, "/sessions", nil); status != http.StatusOK || !strings.Contains(text, "alice (password)") || !strings.Contains(text, "root (password)") {
		t.Errorf("%d %s", status, text)
	}
	end := url.Values{"user": {"alice"}, "reason": {"left the company"}}
	if status, text := root(http.MethodPost, "/sessions/end", end); status != http.StatusSeeOther {
		t.Errorf("%d %s", status, text)
	}
	if status, text := root(http.MethodPost, "/sessions/end", end); status != http.StatusNotFound || !strings.Contains(text, "alice has no session") {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := alice(http.MethodGet, b.path(""), nil); status != http.StatusSeeOther {
		t.Errorf("a user whose sessions were ended gets %d", status)
	}
	if status, _ := root(http.MethodGet, b.path(""), nil); status != http.StatusOK {
		t.Errorf("the admin gets %d", status)
	}
	c.Close()
	if got := find(b.audit(false), "sessions/end"); len(got) != 1 || got[0].User != "root" || got[0].Target != "alice" || got[0].Count != 1 || got[0].Reason != "left the company" {
		t.Errorf("%+v", got)
	}
	if got := b.audit(true); len(got) != 2 || got[0].User != "alice" || got[0].Action != "sessions/end" || got[1].Action != "sessions" {
		t.Errorf("%+v", got)
	}
}

// find returns the entries of an action.
func find(entries []task.AuditEntry, action string) (found []task.AuditEntry) {
	for _, e := range entries {
		if e.Action == action {
			found = append(found, e)
		}
	}
	return found
}
