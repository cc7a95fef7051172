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
	// User is who it is about. The name of a failed login is set only if there is such a user: a
	// password that was typed into the wrong field is not passed on.
	User    User
	Address string // of the browser, as far as proxies are trusted; "" if it is unknown
	Err     error  // of a failed login
}

// Notify sets a function that gets each login with a password or OIDC, each logout, each change of
// a password, each failed login, each wrong or expired token and each header of a proxy that was refused. The
// function must not block. Call Notify before the Gate is used.
func (g *Gate) Notify(do func(Event)) { g.notify = do }

// Address returns the address of the browser, as far as proxies are trusted; "" if it is unknown.
func (g *Gate) Address(r *http.Request) string {
	if addr := g.proxies.client(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

func (g *Gate) tell(r *http.Request, kind string, u User, err error) {
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
	g.tell(r, EventLoginFailed, u, err)
}
