package access

import (
	"errors"
	"net/http"
)

// The kinds of an Event.
const (
	EventLogin       = "login"
	EventLoginFailed = "login_failed"
	EventLogout      = "logout"
	EventPassword    = "password" // a user has changed the password
)

// Event is a login or its end, for an audit.
type Event struct {
	Kind string
	// User is the user of the login. The name of a failed login is set only if there is such a
	// user, so that a password in the field of the name is not passed on.
	User    User
	Address string // of the browser, by the headers of trusted proxies; "" if it is unknown
	Err     error  // of a failed login
}

// Notify sets the function that is called after each login with a password or OIDC, logout, change of a
// password and failed login, and after each request with a wrong or expired token or a refused header of
// a proxy. It must not block. Call Notify before the Gate is used.
func (g *Gate) Notify(do func(Event)) { g.notify = do }

// Address returns the address of the browser, by the headers of trusted proxies; "" if it is unknown.
func (g *Gate) Address(r *http.Request) string {
	if addr := g.proxies.client(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

func (g *Gate) report(r *http.Request, kind string, u User, err error) {
	if g.notify == nil {
		return
	}
	g.notify(Event{Kind: kind, User: u, Address: g.Address(r), Err: err})
}

// failed reports a failed login with a password.
func (g *Gate) failed(r *http.Request, name string, err error) {
	if r.Context().Err() != nil || errors.Is(err, ErrNoMethod) {
		return
	}
	u := User{Method: MethodPassword}
	if content, err := g.passwords.current(); err == nil && content.byName[name] != nil {
		u.Name = name
	}
	g.report(r, EventLoginFailed, u, err)
}
