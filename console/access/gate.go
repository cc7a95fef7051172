package access

import (
	"cmp"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

var (
	// ErrCredentials is returned when the name or the password of a login is wrong. It does
	// not say which.
	ErrCredentials = errors.New("the name or the password is wrong")
	// ErrBusy is returned when too many logins are under way.
	ErrBusy = errors.New("too many logins are under way; try again")
	// ErrNoMethod is returned when the method of a login is not configured.
	ErrNoMethod = errors.New("this way to log in is not configured")
	// ErrNoRole is returned when an identified user has no role in any pool.
	ErrNoRole = errors.New("the user has no role here")
	// ErrUnavailable is returned when the password file cannot be read or written. The log
	// has the reason.
	ErrUnavailable = errors.New("the password file cannot be used; the log of the console has the reason")
	// ErrNoSession is returned when a request has no session of a login with a password.
	ErrNoSession = errors.New("log in with a password first")
	// ErrToken is returned for a request with a token that is wrong, has expired or was removed.
	ErrToken = errors.New("the token is wrong, has expired or was removed")
)

// Gate identifies the users of requests and keeps their sessions. Its methods may be called
// concurrently.
type Gate struct {
	options   Options
	passwords *passwords // nil without a password file
	oidc      *provider  // nil without OIDC
	proxies   *proxies   // nil without a proxy
	cookies   cookies
	sessions  *sessions
	attempts  *attempts
	hasher    *hasher
	notify    func(Event) // nil for none
	key       []byte      // signs the cookies of logins by OIDC
}

// New returns a gate. The error joins a *task.FieldError for each mistake in the options.
func New(o Options) (*Gate, error) {
	errs := []error{o.complete()}
	g := &Gate{sessions: newSessions(o.Idle, o.Lifetime), attempts: newAttempts(), hasher: newHasher(), key: make([]byte, 32)}
	rand.Read(g.key)
	var err error
	if o.PasswordFile != "" {
		if g.passwords, err = openPasswords(o.PasswordFile, o.Log); err != nil {
			errs = append(errs, &task.FieldError{Field: "password_file", Msg: "cannot be used: " + err.Error()})
		}
	}
	if o.OIDC != nil {
		g.oidc, err = newProvider(o.OIDC, o.Path)
		errs = append(errs, err)
	}
	if o.Proxy != nil {
		g.proxies, err = newProxies(o.Proxy)
		errs = append(errs, err)
	}
	g.options = o
	g.cookies = cookies{path: o.Path, secure: func(r *http.Request) bool { return o.Secure || r.TLS != nil || g.proxies.secure(r) }}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return g, nil
}

// identifies reports whether any method is configured.
func (g *Gate) identifies() bool {
	return g.passwords != nil || g.oidc != nil || g.options.Identify != nil || g.proxies != nil && g.proxies.UserHeader != ""
}

// User returns the user of the request, or nil if none is identified. It writes no response.
// Call it for requests that the user makes. It restarts the idle time of a session.
func (g *Gate) User(r *http.Request) *User { return g.user(r, true) }

// Peek is User for requests that a page makes without the user, such as an open stream. It does not
// restart the idle time of a session. A stream must call it repeatedly, because a session may end.
func (g *Gate) Peek(r *http.Request) *User { return g.user(r, false) }

func (g *Gate) user(r *http.Request, used bool) *User {
	if g.options.Open {
		if fromHere(r) {
			return local()
		}
		return nil
	}
	if u, stop := g.identified(r); u != nil || stop {
		return u
	}
	u, err := g.proxies.user(r)
	if err != nil {
		g.options.Log.Warn("the header of the proxy was refused", "err", err, "peer", r.RemoteAddr)
		g.report(r, EventLoginFailed, User{Method: MethodProxy}, err)
		return nil
	}
	if u != nil {
		return u
	}
	return g.sessionUser(r, used)
}

// identified returns the user that the function of the service identifies. stop says that no
// other method is tried.
func (g *Gate) identified(r *http.Request) (u *User, stop bool) {
	if g.options.Identify == nil {
		return nil, false
	}
	u, err := g.options.Identify(r)
	if err != nil {
		g.options.Log.Error("the user of a request could not be identified", "err", err)
		return nil, true
	}
	if u == nil {
		return nil, false
	}
	found := *u
	if found.Method == "" {
		found.Method = MethodCallback
	}
	return &found, false
}

// sessionUser returns the user of the session that the cookie of the request names, or nil.
func (g *Gate) sessionUser(r *http.Request, used bool) *User {
	token := g.cookies.get(r, sessionCookie)
	if token == "" {
		return nil
	}
	s := g.sessions.get(token, used)
	if s == nil {
		return nil
	}
	switch changed, err := g.changed(s); {
	case err != nil:
		return nil
	case changed:
		g.sessions.end(token)
		return nil
	}
	return &s.user
}

// begin starts a session and ends the one that the request had. The token is new, so that a token
// that an attacker has set in the browser before the login is useless.
func (g *Gate) begin(w http.ResponseWriter, r *http.Request, u User, line string) {
	g.end(r)
	g.cookies.set(w, r, sessionCookie, g.sessions.start(u, line), 0)
}

func (g *Gate) end(r *http.Request) {
	for _, c := range r.CookiesNamed(g.cookies.name(r, sessionCookie)) {
		g.sessions.end(c.Value)
	}
}

// Logout ends the session of the request and removes its cookie. The session at the provider
// of OIDC stays.
func (g *Gate) Logout(w http.ResponseWriter, r *http.Request) {
	if u := g.sessionUser(r, false); u != nil {
		g.report(r, EventLogout, *u, nil)
	}
	g.end(r)
	g.cookies.remove(w, r, sessionCookie)
}

// Revoke ends all sessions of a user, of any method, and returns their number. It does not prevent a
// new login: remove the user from the password file, or at the provider.
func (g *Gate) Revoke(user string) int { return g.sessions.endAll(user) }

// Session is a login with a password or OIDC that has not ended.
type Session struct {
	User    User
	Started time.Time
	Seen    time.Time // the last request of the user
}

// Sessions returns the sessions of this process, by the name of the user and then the earliest first.
func (g *Gate) Sessions() (all []Session) {
	for _, s := range g.sessions.all() {
		if changed, err := g.changed(&s); err == nil && !changed {
			all = append(all, Session{s.user, s.started, s.seen})
		}
	}
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(strings.Compare(a.User.Name, b.User.Name), a.Started.Compare(b.Started))
	})
	return all
}

// changed reports whether the user of a session with a password was changed or removed since the login.
func (g *Gate) changed(s *session) (bool, error) {
	if s.user.Method != MethodPassword {
		return false, nil
	}
	content, err := g.passwords.current()
	if err != nil {
		return false, err
	}
	a := content.byName[s.user.Name]
	return a == nil || a.String() != s.line, nil
}

// Methods are the ways to log in that a login page offers.
type Methods struct {
	Password  bool   // a form with name and password, for Login
	OIDC      string // what the provider of OIDC is called; "" without OIDC
	OIDCStart string // the path that begins a login with OIDC; "" without OIDC
}

// Methods returns what the login page offers.
func (g *Gate) Methods() Methods {
	m := Methods{Password: g.passwords != nil}
	if g.oidc != nil {
		m.OIDC, m.OIDCStart = g.oidc.Label, strings.TrimSuffix(g.options.Path, "/")+OIDCStart
	}
	return m
}
