package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
)

// route is a page or an action of a pool, and the role that a user needs for it.
type route struct {
	method string
	page   string // the path after /p/POOL/
	role   access.Role
	do     func(*request) error
}

// routes are all pages and actions of a pool. The tests of rights are generated from them.
var routes = []route{
	{http.MethodGet, "{$}", access.Viewer, (*request).overview},
	{http.MethodGet, "tasks", access.Viewer, (*request).tasks},
	{http.MethodGet, "task", access.Viewer, (*request).task},
	{http.MethodGet, "words", access.Viewer, (*request).words},
	{http.MethodGet, "causes", access.Viewer, (*request).causes},
	{http.MethodGet, "chart", access.Viewer, (*request).chart},
	{http.MethodGet, "archived", access.Viewer, (*request).archived},
	{http.MethodGet, "log", access.Viewer, (*request).log},
	{http.MethodGet, "queues", access.Viewer, (*request).queues},
	{http.MethodGet, "queue", access.Viewer, (*request).queue},
	{http.MethodGet, "group", access.Viewer, (*request).group},
	{http.MethodGet, "groups", access.Viewer, (*request).groups},
	{http.MethodGet, "replicas", access.Viewer, (*request).replicas},
	{http.MethodGet, "triggers", access.Viewer, (*request).triggers},
	{http.MethodGet, "trigger", access.Viewer, (*request).trigger},
	{http.MethodGet, "events", access.Viewer, (*request).events},
	{http.MethodGet, "rejected", access.Viewer, (*request).rejected},
	{http.MethodGet, "alerts", access.Viewer, (*request).alerts},
	{http.MethodGet, "alerts/edit", access.Admin, (*request).alertForm},
	{http.MethodGet, "audit", access.Viewer, (*request).audit},
	{http.MethodGet, "doctor", access.Viewer, (*request).doctor},
	{http.MethodGet, "enqueue", access.Operator, (*request).enqueueForm},
	{http.MethodGet, "calendar", access.Viewer, (*request).calendar},
	{http.MethodGet, "triggers/edit", access.Admin, (*request).triggerForm},
	{http.MethodGet, "live", access.Viewer, (*request).live},
	{http.MethodGet, "bulk", access.Viewer, (*request).bulkJobs},
	{http.MethodGet, "bulk/job", access.Viewer, (*request).bulkJob},

	{http.MethodPost, "enqueue", access.Operator, (*request).enqueue},
	{http.MethodPost, "tasks/stop", access.Operator, (*request).stopTasks},
	{http.MethodPost, "tasks/retry", access.Operator, (*request).retryTasks},
	{http.MethodPost, "tasks/run", access.Operator, (*request).runTasks},
	{http.MethodPost, "tasks/change", access.Operator, (*request).changePriority},
	{http.MethodPost, "tasks/delete", access.Admin, (*request).deleteTasks},
	{http.MethodPost, "bulk/stop", access.Operator, bulkOf(bulk.Stop)},
	{http.MethodPost, "bulk/retry", access.Operator, bulkOf(bulk.Retry)},
	{http.MethodPost, "bulk/run", access.Operator, bulkOf(bulk.Run)},
	{http.MethodPost, "bulk/change", access.Operator, bulkOf(bulk.Change)},
	{http.MethodPost, "bulk/delete", access.Admin, bulkOf(bulk.Delete)},
	{http.MethodPost, "bulk/confirm", access.Operator, (*request).confirmBulk},
	{http.MethodPost, "bulk/cancel", access.Operator, (*request).cancelBulk},
	{http.MethodPost, "pause", access.Operator, (*request).pause},
	{http.MethodPost, "resume", access.Operator, (*request).resume},
	{http.MethodPost, "limit", access.Admin, (*request).limit},
	{http.MethodPost, "aging", access.Admin, (*request).aging},
	{http.MethodPost, "rate", access.Admin, (*request).rate},
	{http.MethodPost, "replicas/drain", access.Operator, (*request).drain},
	{http.MethodPost, "triggers/run", access.Operator, (*request).runTrigger},
	{http.MethodPost, "triggers/pause", access.Operator, (*request).pauseTrigger},
	{http.MethodPost, "triggers/resume", access.Operator, (*request).resumeTrigger},
	{http.MethodPost, "triggers/preview", access.Admin, (*request).previewTrigger},
	{http.MethodPost, "triggers/set", access.Admin, (*request).setTrigger},
	{http.MethodPost, "triggers/remove", access.Admin, (*request).removeTrigger},
	{http.MethodPost, "rejected/put-back", access.Operator, (*request).putBack},
	{http.MethodPost, "rejected/drop", access.Admin, (*request).dropRejected},
	{http.MethodPost, "alerts/silence", access.Operator, (*request).silence},
	{http.MethodPost, "alerts/unsilence", access.Operator, (*request).unsilence},
	{http.MethodPost, "alerts/test", access.Admin, (*request).testReceiver},
	{http.MethodPost, "alerts/set", access.Admin, (*request).setRule},
	{http.MethodPost, "alerts/remove", access.Admin, (*request).removeRule},
}

// policy allows scripts, styles and requests of this host only, and nothing inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (c *Console) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", c.assets)
	mux.HandleFunc("GET /{$}", c.free((*request).home))
	mux.HandleFunc("GET /login", c.open((*request).loginPage))
	mux.HandleFunc("POST /login", c.open((*request).login))
	mux.HandleFunc("GET "+access.OIDCStart, c.open((*request).startOIDC))
	mux.HandleFunc("GET "+access.OIDCFinish, c.open((*request).finishOIDC))
	mux.HandleFunc("GET /password", c.named((*request).passwordPage))
	mux.HandleFunc("POST /password", c.named((*request).changePassword))
	mux.HandleFunc("GET /sessions", c.free((*request).sessions))
	mux.HandleFunc("POST /"+endSessions, c.free((*request).endSessions))
	mux.HandleFunc("POST /logout", c.open((*request).logout))
	mux.HandleFunc("POST /language", c.open((*request).setLanguage))
	for _, r := range routes {
		mux.HandleFunc(r.method+" /p/{pool}/"+r.page, c.guarded(r))
	}
	mux.Handle(apiRoot+"/", c.apiHandler())
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(c.crossOrigin))
	h := sameOrigin.Handler(mux)
	if c.opts.Prefix != "" {
		h = c.below(http.StripPrefix(c.opts.Prefix, h))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		h.ServeHTTP(w, r)
	})
}

// mostBody bounds the body of a request: a form with a payload of a task, in which three bytes
// may stand for one.
const mostBody = 4 << 20

// below leads a request of the prefix alone to the first page.
func (c *Console) below(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == c.opts.Prefix {
			http.Redirect(w, r, c.opts.Prefix+"/", http.StatusSeeOther)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// open handles a request that needs no user.
func (c *Console) open(do func(*request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r, c: c, w: w, lang: language(r)}
		// Requests that a page makes without the user do not keep a session alive.
		if r.Header.Get("HX-Request") != "" || strings.HasSuffix(r.URL.Path, "/live") {
			q.user = c.opts.Gate.Peek(r)
		} else {
			q.user = c.opts.Gate.User(r)
		}
		q.answer(func(q *request) error {
			if err := r.ParseForm(); err != nil {
				return &problem{http.StatusBadRequest, "error.form", []any{err}}
			}
			return do(q)
		})
	}
}

// named handles a request of a user who is known.
func (c *Console) named(do func(*request) error) http.HandlerFunc {
	return c.open(func(q *request) error {
		if q.user == nil {
			return q.toLogin()
		}
		return do(q)
	})
}

// free handles a request of a user for something that belongs to no pool.
func (c *Console) free(do func(*request) error) http.HandlerFunc {
	return c.named(func(q *request) error {
		if q.user.MustChange {
			http.Redirect(q.w, q.Request, q.Root("/password"), http.StatusSeeOther)
			return nil
		}
		return do(q)
	})
}

// guarded handles a request for something in a pool, if the role of the user allows it. A user
// without a role in a pool gets the answer for a pool that does not exist.
func (c *Console) guarded(r route) http.HandlerFunc {
	return c.free(func(q *request) error {
		name := q.PathValue("pool")
		q.site, q.role = c.sites[name], q.user.Role(name)
		if q.role >= access.Viewer {
			c.logins.proxied(q.user, c.opts.Gate.Address(q.Request))
		}
		if q.site == nil || q.role < access.Viewer {
			q.foreign(r.page)
			return notFound("pool", name)
		}
		if q.role < r.role {
			q.refused(r.page)
			return &problem{http.StatusForbidden, "error.role", []any{r.role}}
		}
		return r.do(q)
	})
}

// answer runs the handler and shows its error.
func (q *request) answer(do func(*request) error) {
	err := do(q)
	if err == nil || q.Context().Err() != nil {
		return
	}
	status, text := q.status(err)
	if status >= http.StatusInternalServerError {
		q.c.log.Error("console", "path", q.URL.Path, "err", err)
	}
	if err := q.renderStatus(status, "error", time.Time{}, errorPage{Status: status, Text: text, Find: q.missing(err)}); err != nil {
		q.c.log.Error("console", "path", q.URL.Path, "err", err)
		http.Error(q.w, text, status)
	}
}
