package access

import (
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Options configure a Gate. With the zero value no user is identified.
type Options struct {
	// Path is the path that the console is mounted at, such as /console. It is the path of
	// the cookies. Default: /.
	Path string
	// Secure says that browsers use TLS although this process does not see it, because
	// something in front of it ends TLS. The cookies then have the attribute Secure, and a
	// browser without TLS cannot log in. It is not needed with a Proxy that sends X-Forwarded-Proto.
	// Default: false, TLS is used if the request came over TLS.
	Secure bool
	// Idle is how long a session lasts without a request, from 1 minute to Lifetime.
	// Default: DefaultIdle, or Lifetime if that is shorter.
	Idle time.Duration
	// Lifetime is how long a session lasts in all, from 1 minute to 30 days. Default:
	// DefaultLifetime.
	Lifetime time.Duration

	// PasswordFile is the path of a password file: see FirstStart and AddUser. It must not
	// be readable for others than its owner. A change takes effect with the next request:
	// the sessions of a user whose line was changed or removed end. Default: none.
	PasswordFile string
	// OIDC configures a provider of OpenID Connect. Default: none.
	OIDC *OIDC
	// Proxy configures a reverse proxy that names the user in a header. Default: none.
	Proxy *Proxy
	// Identify identifies the user of a request, for a service that embeds the console. It
	// is called first. If it returns neither a user nor an error, the other methods are
	// tried. After an error no user is identified. The Gate sets User.Method if it is empty.
	// Default: none.
	Identify func(*http.Request) (*User, error)
	// Open makes each request from this machine one of the user local, who has the role
	// Admin in all pools. It excludes all other methods. Every user and every program of
	// the machine can then use the console. Do not put a proxy in front of it. Default:
	// false.
	Open bool

	// Log gets errors that an administrator has to correct: of the password file, the
	// provider of OIDC, the proxy and Identify. Default: slog.Default.
	Log *slog.Logger
}

const (
	minLifetime = time.Minute
	maxLifetime = 30 * 24 * time.Hour
)

// complete sets the defaults and returns all mistakes in fields that need nothing else.
func (o *Options) complete() error {
	var errs []error
	mistake := func(field, msg string) { errs = append(errs, &task.FieldError{Field: field, Msg: msg}) }
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Path == "" {
		o.Path = "/"
	}
	if o.Path[0] != '/' || path.Clean(o.Path) != o.Path || strings.ContainsFunc(o.Path, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune(`;,?#%\"`, c) }) {
		mistake("path", "must be a path such as /console, without a slash at its end")
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	} else if o.Lifetime < minLifetime || o.Lifetime > maxLifetime {
		mistake("lifetime", "must be from 1m to 720h")
	}
	if o.Idle == 0 {
		o.Idle = min(DefaultIdle, o.Lifetime)
	} else if o.Idle < minLifetime || o.Idle > o.Lifetime {
		mistake("idle", "must be from 1m to lifetime")
	}
	if o.Open && (o.PasswordFile != "" || o.OIDC != nil || o.Proxy != nil || o.Identify != nil) {
		mistake("open", "gives each request from this machine the role admin: remove it, or the methods that identify users")
	}
	return errors.Join(errs...)
}
