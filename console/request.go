package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// request is a request of a user for a page or an action.
type request struct {
	*http.Request
	c    *Console
	w    http.ResponseWriter
	user *access.User
	role access.Role // in the pool of the request
	site *site       // nil for pages that are of no pool
	lang string
	why  string // the reason in the body of a request of the API
}

// reason returns the reason that the user gives for a change, "" for none.
func (q *request) reason() string {
	if q.why != "" {
		return q.why
	}
	return cmp.Or(q.FormValue("reason"), q.Header.Get(reasonHeader))
}

// method says how the user was identified, and by which token.
func (q *request) method() string { return strings.TrimSpace(q.user.Method + " " + q.user.Token) }

// view is what a template gets.
type view struct {
	*request
	Name string // of the page: tasks, queues …
	At   time.Time
	Data any
}

// Live reports whether the page reads itself again after events. An inspection, a search in payloads, a read of
// the archive and the calendar of all triggers cost too much for that, and a form or an error has nothing new.
func (v view) Live() bool {
	if list, ok := v.Data.(tasksPage); ok && (list.Costly || list.ArchiveRead > 0) {
		return false
	}
	if job, ok := v.Data.(bulkJobPage); ok && job.Wrong != "" {
		return false
	}
	return !slices.Contains([]string{"doctor", "enqueue", "error", "triggeredit", "archived", "calendar"}, v.Name)
}

// destination is an entry of the navigation, with the key that leads to it after g.
type destination struct{ Key, Page string }

// destinations are the entries of the navigation in their order.
var destinations = []destination{
	{"o", "overview"}, {"t", "tasks"}, {"c", "causes"}, {"b", "bulk"}, {"q", "queues"}, {"g", "groups"}, {"r", "replicas"}, {"i", "triggers"},
	{"e", "events"}, {"l", "alerts"}, {"j", "rejected"}, {"a", "audit"}, {"d", "doctor"}, {"n", "enqueue"},
}

// Navigation returns the entries that the role of the user allows.
func (q *request) Navigation() []destination {
	if q.Operator() {
		return destinations
	}
	return slices.DeleteFunc(slices.Clone(destinations), func(d destination) bool { return d.Page == "enqueue" })
}

// sections are the entries of the navigation for pages that have none of their own.
var sections = map[string]string{
	"task": "tasks", "archived": "tasks", "bulkjob": "bulk", "queue": "queues", "group": "groups",
	"trigger": "triggers", "triggeredit": "triggers", "calendar": "triggers",
}

// Section returns the entry of the navigation that the page belongs to.
func (v view) Section() string { return cmp.Or(sections[v.Name], v.Name) }

// The methods of a request that templates use.

func (q *request) Pool() string    { return q.site.name }
func (q *request) Pools() []string { return q.readable() }
func (q *request) User() string {
	if q.user == nil {
		return ""
	}
	return q.user.Name
}
func (q *request) Role() string   { return q.role.String() }
func (q *request) Operator() bool { return q.role >= access.Operator }
func (q *request) Admin() bool    { return q.role >= access.Admin }
func (q *request) Lang() string   { return q.lang }
func (q *request) Asset(name string) string {
	return q.c.opts.Prefix + "/assets/" + q.c.assets.path(name)
}

// HasCharts reports whether the page has charts.
func (v view) HasCharts() bool { return v.Name == "overview" || v.Name == "queue" }

// HasPool reports whether the page is of a pool.
func (q *request) HasPool() bool { return q.site != nil }

// HasSession reports whether the user can log out.
func (q *request) HasSession() bool {
	return q.user.Method == access.MethodPassword || q.user.Method == access.MethodOIDC
}

// HasPassword reports whether the user has a password that can be changed.
func (q *request) HasPassword() bool { return q.user.Method == access.MethodPassword }

// MustChange reports whether the user has to change the password first.
func (q *request) MustChange() bool { return q.user != nil && q.user.MustChange }

// Say is T with the arguments in a list.
func (q *request) Say(key string, args []any) string { return q.T(key, args...) }

// Rate shows a rate, "" for none.
func (q *request) Rate(r pool.Rate) string {
	if r == (pool.Rate{}) {
		return ""
	}
	return r.String()
}

// Hint returns the help for a field of a form, "" for none.
func (q *request) Hint(label string) string {
	if key := "hint." + label; texts()["en"][key] != "" {
		return q.T(key)
	}
	return ""
}

// Editable returns a payload for a form.
func (q *request) Editable(payload []byte) string { return string(payload) }

// IsText reports whether a form sends a payload back as it was.
func (q *request) IsText(payload []byte) bool { return isText(string(payload)) }

// Root returns the path of a page that is of no pool.
func (q *request) Root(path string) string { return q.c.opts.Prefix + path }

// Path returns the path of a page of the pool, with parameters: name, value, name, value …
func (q *request) Path(page string, params ...string) string {
	return q.c.path(q.site.name, page, params...)
}

// PathIn returns the path of a page of another pool.
func (q *request) PathIn(poolName, page string) string { return q.c.path(poolName, page) }

// Here returns the path and the query of this request.
func (q *request) Here() string { return q.c.opts.Prefix + q.URL.RequestURI() }

// With returns this page with another value of a parameter, "" for none.
func (q *request) With(name, value string) string {
	query := q.URL.Query()
	query.Del("after")
	if query.Set(name, value); value == "" {
		query.Del(name)
	}
	return q.c.opts.Prefix + q.URL.EscapedPath() + "?" + query.Encode()
}

func (c *Console) path(poolName, page string, params ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	to := c.opts.Prefix + "/p/" + url.PathEscape(poolName) + "/" + page
	if len(query) > 0 {
		to += "?" + query.Encode()
	}
	return to
}

// readable returns the pools that the user may see.
func (q *request) readable() (names []string) {
	for _, name := range q.c.names {
		if q.user.Role(name) >= access.Viewer {
			names = append(names, name)
		}
	}
	return names
}

// problem is an error with the HTTP status that answers it.
type problem struct {
	status int
	key    string // of the message
	args   []any
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s %v", p.status, p.key, p.args) }

func notFound(what, name string) error {
	return &problem{http.StatusNotFound, "error.no_" + what, []any{name}}
}

// status returns the status of an error and what the page says about it. Texts of the store
// are shown, because they have the name of a field or what Redis has answered; they have no
// secrets.
func (q *request) status(err error) (int, string) {
	var p *problem
	var field *task.FieldError
	switch {
	case errors.As(err, &p):
		return p.status, q.T(p.key, q.saidAll(p.args)...)
	case errors.Is(err, context.DeadlineExceeded), redisurl.IsNetwork(err):
		return http.StatusServiceUnavailable, q.T("error.redis") + q.T("text.colon") + q.meaning(err.Error())
	case errors.Is(err, pool.ErrDenied): // of the Redis user of the console
		return http.StatusForbidden, q.said(err)
	case errors.Is(err, bulk.ErrPhase):
		return http.StatusConflict, q.T("error.bulk_phase")
	case errors.As(err, &field):
		return http.StatusBadRequest, q.said(err)
	case errors.Is(err, pool.ErrNoTrigger), errors.Is(err, pool.ErrNoReject), errors.Is(err, pool.ErrNoReplica), errors.Is(err, pool.ErrNoQueue):
		return http.StatusNotFound, q.said(err)
	case errors.Is(err, pool.ErrQueueFull), errors.Is(err, pool.ErrQueueInUse), errors.Is(err, pool.ErrLimitReached), errors.Is(err, pool.ErrRejectCut), errors.Is(err, redisstore.ErrBulkJobs), errors.Is(err, bulk.ErrBusy),
		errors.Is(err, redisstore.ErrTooManyAlertRules), errors.Is(err, redisstore.ErrTooManySilences):
		return http.StatusConflict, q.said(err)
	}
	return http.StatusInternalServerError, q.said(err)
}

// T returns the text of a key in the language of the user. args fill {0}, {1} …
func (q *request) T(key string, args ...any) string { return translate(q.lang, key, args...) }

// Severity returns a severity of findings or of alerts in the language of the user.
func (q *request) Severity(of any) string { return q.word("severity.", fmt.Sprint(of)) }

// Check returns the name of a check of the doctor in the language of the user.
func (q *request) Check(name string) string { return q.word("check.", name) }

// word translates a word of the store. It returns a word that has no translation unchanged.
func (q *request) word(prefix, word string) string {
	if text, ok := texts()[q.lang][prefix+strings.ReplaceAll(word, " ", "_")]; ok {
		return text
	}
	return word
}

// language returns that of the cookie, else of Accept-Language, else English.
func language(r *http.Request) string {
	if c, err := r.Cookie("lts_lang"); err == nil && texts()[c.Value] != nil {
		return c.Value
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if texts()[base] != nil {
			return base
		}
	}
	return "en"
}
