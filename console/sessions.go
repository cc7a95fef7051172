package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// endSessions is the name of the action that ends the sessions of a user.
const endSessions = "sessions/end"

type sessionsPage struct{ Users []loggedIn }

// loggedIn is a user with sessions.
type loggedIn struct {
	Name, Method string
	Sessions     int
	Since, Seen  time.Time // the first login, and the last request
}

// AllAdmin reports whether the user is an admin of all pools of the console. Only such users may see and end sessions,
// which belong to no pool.
func (q *request) AllAdmin() bool {
	return q.user != nil && !slices.ContainsFunc(q.c.names, func(name string) bool { return q.user.Role(name) < access.Admin })
}

// HasLogins reports whether there is a way to log in that makes sessions.
func (q *request) HasLogins() bool {
	m := q.c.opts.Gate.Methods()
	return m.Password || m.OIDC != ""
}

// needAllAdmin returns an error unless the user is an admin of all pools. It records the refusal in the pools in which the
// user has a role.
func (q *request) needAllAdmin(page string) error {
	if q.AllAdmin() {
		return nil
	}
	q.c.log.Warn("refused", "user", q.user.Name, "action", page)
	q.c.logins.writeTo(q.readable(), task.AuditEntry{User: q.user.Name, Method: q.method(), Action: page}, true)
	return &problem{http.StatusForbidden, "error.all_admin", nil}
}

// sessions lists the users who are logged in at this process.
func (q *request) sessions() error {
	if err := q.needAllAdmin("sessions"); err != nil {
		return err
	}
	var page sessionsPage
	for _, s := range q.c.opts.Gate.Sessions() {
		n := len(page.Users)
		if n == 0 || page.Users[n-1].Name != s.User.Name {
			page.Users = append(page.Users, loggedIn{Name: s.User.Name, Method: s.User.Method, Since: s.Started})
			n++
		}
		u := &page.Users[n-1]
		if u.Sessions++; s.Seen.After(u.Seen) {
			u.Seen = s.Seen
		}
	}
	return q.render("sessions", time.Now(), page)
}

// endSessions ends all sessions of a user. It does not wait for Redis: the entries of the audit streams are written
// afterwards.
func (q *request) endSessions() error {
	if err := q.needAllAdmin(endSessions); err != nil {
		return err
	}
	name := q.PostFormValue("user")
	n := q.c.opts.Gate.Revoke(name)
	if n == 0 {
		return notFound("session", name)
	}
	q.c.log.Warn("sessions ended", "user", name, "sessions", n, "by", q.user.Name)
	q.c.logins.writeTo(q.c.names, task.AuditEntry{User: q.user.Name, Method: q.method(), Action: endSessions, Target: name, Count: n, Reason: q.reason()}, false)
	http.Redirect(q.w, q.Request, q.Root("/sessions"), http.StatusSeeOther)
	return nil
}
