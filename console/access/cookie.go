package access

import (
	"net/http"
	"time"
)

// cookies writes and reads the cookies of the console. Over TLS their names have a prefix,
// with which a browser accepts only cookies of this host that were set over TLS.
type cookies struct {
	path   string // of the console, such as / or /console
	secure func(r *http.Request) bool
}

const (
	sessionCookie = "ltsworker"
	loginCookie   = "ltsworker-login"
)

func (c *cookies) name(r *http.Request, base string) string {
	switch {
	case !c.secure(r):
		return base
	case c.path == "/":
		return "__Host-" + base
	}
	return "__Secure-" + base
}

// set sets a cookie, which lasts for keep; 0 is until the browser ends.
func (c *cookies) set(w http.ResponseWriter, r *http.Request, base, value string, keep time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: c.name(r, base), Value: value, Path: c.path, MaxAge: int(keep.Seconds()),
		Secure: c.secure(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Cache-Control", "no-store")
}

func (c *cookies) remove(w http.ResponseWriter, r *http.Request, base string) {
	c.set(w, r, base, "", -time.Second)
}

// get returns the value of a cookie; "" if the request has none, or several with the name: without TLS
// another site on the host can set one.
func (c *cookies) get(r *http.Request, base string) string {
	if found := r.CookiesNamed(c.name(r, base)); len(found) == 1 {
		return found[0].Value
	}
	return ""
}
