package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/console/bulk"
	"github.com/ltsworker/ltsworker/task"
)

// bulkQuery is bulk.Options.Select.
type bulkQuery = func(text string, state task.State, at time.Time) (task.PageQuery, error)

// bulkQuery reads the query of a bulk job: that of a list of tasks in one state. A search in
// payloads compares what is shown of them.
func (c *Console) bulkQuery(text string, state task.State, at time.Time) (task.PageQuery, error) {
	wanted, err := parseQuery(text)
	if err != nil {
		return task.PageQuery{}, err
	}
	if len(wanted.IDs) > 0 || wanted.Unique != "" {
		return task.PageQuery{}, wrong("q", "wrong.single")
	}
	if wanted.State != "" && wanted.State != state {
		return task.PageQuery{}, wrong("state", "wrong.query_state", wanted.State)
	}
	if state == anyState {
		return task.PageQuery{}, wrong("state", "wrong.one_state")
	}
	wanted.State = state
	ask := wanted.pageQuery(at)
	if match := ask.Match; ask.Whole {
		ask.Match = func(t *task.Task) bool {
			c.redact(t)
			return match(t)
		}
	}
	return ask, nil
}

// bulkRole is the role that a verb needs.
func bulkRole(v bulk.Verb) access.Role {
	if v == bulk.Delete {
		return access.Admin
	}
	return access.Operator
}

// BulkVerbs returns what the user may do with all tasks of a list.
func (q *request) BulkVerbs(state task.State) (verbs []bulk.Verb) {
	for _, v := range bulk.Verbs() {
		if bulk.Applies(v, state) && q.role >= bulkRole(v) {
			verbs = append(verbs, v)
		}
	}
	return verbs
}

// ReadOnly reports whether the Redis user of the console may change nothing.
func (q *request) ReadOnly() bool {
	only, _, err := q.site.readOnly.get(q.Context(), q.site.store.ReadOnly)
	return err == nil && only
}

// bulkOf returns the action that asks for a job.
func bulkOf(verb bulk.Verb) func(*request) error {
	return func(q *request) error {
		o := bulk.Order{Verb: verb, Query: q.PostFormValue("q"), State: task.State(q.PostFormValue("state"))}
		if verb == bulk.Change {
			n, err := q.priority()
			if err != nil {
				return err
			}
			o.Priority = n
		}
		job, err := q.askBulk(o)
		if err != nil {
			return err
		}
		return q.toBulk(job)
	}
}

// askBulk makes a job for the user, which begins to count.
func (q *request) askBulk(o bulk.Order) (*bulk.Job, error) {
	o.User, o.Method = q.user.Name, q.method()
	return q.site.bulk.Ask(q.Context(), o)
}

// needBulk returns an error if the role of the user does not allow a verb. page names the refused
// request in the audit stream.
func (q *request) needBulk(v bulk.Verb, page string) error {
	need := bulkRole(v)
	if q.role >= need {
		return nil
	}
	q.refused(page)
	return &problem{http.StatusForbidden, "error.role", []any{need}}
}

// toBulk leads to the page of a job.
func (q *request) toBulk(job *bulk.Job) error {
	http.Redirect(q.w, q.Request, q.Path("bulk/job", "id", job.ID), http.StatusSeeOther)
	return nil
}

// bulkNamed returns the job with an id.
func (q *request) bulkNamed(id string) (*bulk.Job, error) {
	job, err := q.site.bulk.Get(q.Context(), id)
	if errors.Is(err, bulk.ErrNoJob) {
		return nil, notFound("bulk", id)
	}
	return job, err
}

// confirmBulk lets a job change what it has counted. The user has typed the count.
func (q *request) confirmBulk() error {
	job, err := q.bulkNamed(q.FormValue("id"))
	if err != nil {
		return err
	}
	if err := q.needBulk(job.Verb, "bulk/confirm "+string(job.Verb)+" "+job.ID); err != nil {
		return err
	}
	reason := strings.TrimSpace(q.PostFormValue("reason"))
	count, err := strconv.Atoi(strings.TrimSpace(q.PostFormValue("count")))
	switch {
	case job.Phase != bulk.Counted:
	case reason == "":
		return q.askAgain(job, "bulk.need_reason")
	case err != nil || count != job.Counted:
		return q.askAgain(job, "bulk.need_count", job.Counted)
	}
	yes := bulk.Confirmation{Count: count, Reason: reason, User: q.user.Name, Method: q.method()}
	if job, err = q.site.bulk.Confirm(q.Context(), job.ID, yes); err != nil {
		return err
	}
	return q.toBulk(job)
}

func (q *request) cancelBulk() error {
	job, err := q.bulkNamed(q.FormValue("id"))
	if err != nil {
		return err
	}
	if job, err = q.site.bulk.Cancel(q.Context(), job.ID, q.user.Name, q.method()); err != nil {
		return err
	}
	return q.toBulk(job)
}

// askAgain shows the page of a job with what is wrong with its confirmation. The fields stay as the user has filled them.
func (q *request) askAgain(job *bulk.Job, key string, args ...any) error {
	page := q.bulkJobPageOf(job)
	page.Wrong, page.Given = q.T(key, args...), q.PostFormValue("reason")
	at, err := url.Parse(strings.TrimPrefix(q.Path("bulk/job", "id", job.ID), q.c.opts.Prefix))
	if err != nil {
		return err
	}
	q.URL = at // that of the page, for its links back
	return q.renderStatus(http.StatusBadRequest, "bulkjob", q.site.bulk.Now(), page)
}

type bulkPage struct{ Jobs []*bulk.Job }

func (q *request) bulkJobs() error {
	jobs, now, err := q.site.bulk.List(q.Context())
	if err != nil {
		return err
	}
	return q.render("bulk", now, bulkPage{jobs})
}

// bulkJobPage is one job.
type bulkJobPage struct {
	*bulk.Job
	Words  []bulkWord
	May    bool          // the user may confirm it
	Silent time.Duration // how long no console has worked on it; 0 if one does
	Wrong  string        // what is wrong with the confirmation that the user has sent; "" for nothing
	Given  string        // the reason in it
}

// silent is how long a console may take for a step of a job.
const silent = 15 * time.Second

// quiet returns how long no console has worked on a job; 0 if one does, or if the job needs none.
func quiet(j *bulk.Job, now time.Time) time.Duration {
	if d := now.Sub(j.Updated); d > silent && (j.Phase == bulk.Counting || j.Phase == bulk.Running) {
		return d
	}
	return 0
}

func (q *request) bulkJob() error {
	job, err := q.bulkNamed(q.FormValue("id"))
	if err != nil {
		return err
	}
	return q.render("bulkjob", q.site.bulk.Now(), q.bulkJobPageOf(job))
}

func (q *request) bulkJobPageOf(job *bulk.Job) bulkJobPage {
	return bulkJobPage{Job: job, May: q.role >= bulkRole(job.Verb), Words: q.bulkWords(job.Query), Silent: quiet(job, q.site.bulk.Now())}
}

// Reloads reports whether the page reads itself again also without JavaScript.
func (v view) Reloads() bool {
	page, ok := v.Data.(bulkJobPage)
	return ok && (page.Phase == bulk.Counting || page.Phase == bulk.Running)
}

// bulkWord is a word of a query as it is shown.
type bulkWord struct{ Name, Value string }

// bulkWords returns the query of a job in words.
func (q *request) bulkWords(text string) (words []bulkWord) {
	wanted, err := parseQuery(text)
	if err != nil {
		return []bulkWord{{q.T("bulk.tasks"), text}}
	}
	add := func(name string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			words = append(words, bulkWord{name, strings.Join(values, " / ")})
		}
	}
	add(q.T("task.kind"), wanted.Kinds...)
	add(q.T("task.queue"), wanted.Queues...)
	add(q.T("task.group"), wanted.Groups...)
	for _, l := range wanted.Labels {
		add(q.T("task.labels"), l)
	}
	for _, e := range wanted.Error {
		add(q.T("task.error"), e)
	}
	add(q.T("task.cause"), wanted.Causes...)
	for _, h := range wanted.Head {
		add(q.T("task.headers"), h)
	}
	for _, d := range wanted.Data {
		add(q.T("task.payload")+" / "+q.T("task.result"), d)
	}
	add(q.T("task.parent"), wanted.Parent)
	if wanted.Hold {
		add(q.T("task.note"), q.T("task.hold"))
	}
	if wanted.Older > 0 {
		add(q.T("bulk.age"), "≥ "+q.Duration(wanted.Older))
	}
	if wanted.Newer > 0 {
		add(q.T("bulk.age"), "< "+q.Duration(wanted.Newer))
	}
	return words
}
