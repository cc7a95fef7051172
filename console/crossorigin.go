package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// fromOtherSite is the text of the refusal of a request that a browser sends for another site.
const fromOtherSite = "a browser sent this request for another site"

// crossOrigin answers a request that a browser sends for another site, and records it.
func (c *Console) crossOrigin(w http.ResponseWriter, r *http.Request) {
	c.crossed(r)
	if strings.HasPrefix(r.URL.Path, apiRoot+"/") {
		(&request{Request: r, c: c, w: w, lang: "en"}).writeProblem(&apiError{status: http.StatusForbidden, detail: fromOtherSite})
		return
	}
	http.Error(w, fromOtherSite, http.StatusForbidden)
}

// mostCrossed bounds what the entry of such a request has of its path and of its origin: any site may write them.
const mostCrossed = 100

// crossed records a request for another site in the stream of refusals of the pool that its path names, else of all pools.
// A browser may have sent it without the cookie of the session: then the user is not known.
func (c *Console) crossed(r *http.Request) {
	e := task.AuditEntry{Error: fromOtherSite}
	if u := c.opts.Gate.Peek(r); u != nil {
		e.User, e.Method = u.Name, strings.TrimSpace(u.Method+" "+u.Token)
	}
	if address := c.opts.Gate.Address(r); address != "" {
		e.Target = "from " + address
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		e.Error += ": " + task.CutHead(origin, mostCrossed)
	}
	var pool string
	pool, e.Action = crossedAction(r)
	names := c.names
	if c.sites[pool] != nil {
		names = []string{pool}
	}
	for _, name := range names[:min(len(names), mostPools)] {
		if c.logins.alone(name, e.User, time.Now()) {
			c.log.Warn("refused", "user", e.User, "pool", name, "action", e.Action, "why", e.Error)
			c.logins.writeTo([]string{name}, e, true)
		}
	}
}

// crossedAction returns the pool that the path of a request names, and the action as other refusals have it.
func crossedAction(r *http.Request) (pool, action string) {
	path := r.URL.EscapedPath() // a name may have a slash
	if rest, ok := strings.CutPrefix(path, apiRoot+"/pools/"); ok {
		pool, rest, _ = strings.Cut(rest, "/")
		return unescaped(pool), task.CutHead("api "+r.Method+" /"+rest, mostCrossed)
	}
	if rest, ok := strings.CutPrefix(path, "/p/"); ok {
		pool, action, _ = strings.Cut(rest, "/")
		if slices.ContainsFunc(routes, func(known route) bool { return known.page == action }) {
			return unescaped(pool), action
		}
	}
	return unescaped(pool), task.CutHead(r.Method+" "+path, mostCrossed)
}

// unescaped returns a segment of a path, "" if it is not valid.
func unescaped(segment string) string {
	name, err := url.PathUnescape(segment)
	if err != nil {
		return ""
	}
	return name
}
