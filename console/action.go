package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// action is a change that a user asks for. It is in the audit stream before it is made.
type action struct {
	name   string // of the route
	target string // the names that it concerns
	count  int    // tasks that are chosen; 0 if it concerns none
	do     func(ctx context.Context) (done int, err error)
}

// perform records and makes a change, and leads back to the page of the form.
func (q *request) perform(a action) error {
	if err := q.record(a); err != nil {
		return err
	}
	return q.done()
}

// done leads back to the page of the form.
func (q *request) done() error {
	http.Redirect(q.w, q.Request, q.c.opts.Gate.ReturnPath(q.PostFormValue("back")), http.StatusSeeOther)
	return nil
}

// record writes the audit entry, makes the change and writes its outcome. A change without an
// entry is not made.
func (q *request) record(a action) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), time.Minute)
	defer cancel()
	e := task.AuditEntry{User: q.user.Name, Method: q.method(), Action: a.name, Target: a.target, Count: a.count, Reason: q.reason()}
	id, err := q.site.store.Audit(ctx, e, false)
	if err != nil {
		return fmt.Errorf("the action was not made, because it could not be written to the audit stream: %w", err)
	}
	done, err := a.do(ctx)
	q.site.forget()
	outcome := task.AuditEntry{User: e.User, Method: e.Method, Action: e.Action, Of: id, Done: done}
	if err != nil {
		outcome.Error = err.Error()
	}
	if _, failed := q.site.store.Audit(ctx, outcome, false); failed != nil {
		q.c.log.Error("the outcome of an action is not in the audit stream", "of", id, "err", failed)
	}
	return err
}

// refused records that a user may not do something. A refusal that cannot be recorded in the
// pool, because the Redis user of the console may only read, is in the log of the console.
func (q *request) refused(page string) {
	if !q.c.logins.alone(q.site.name, q.user.Name, time.Now()) {
		return
	}
	q.c.log.Warn("refused", "user", q.user.Name, "pool", q.site.name, "action", page)
	e := task.AuditEntry{User: q.user.Name, Method: q.method(), Action: page}
	if _, err := q.site.store.Audit(q.Context(), e, true); err != nil {
		q.c.log.Warn("the refusal is not in the audit stream", "err", err)
	}
}

// foreign records that a user without a role has asked for something in a pool of the console. The entry is written
// later, so that the answer takes as long as that for a pool that does not exist.
func (q *request) foreign(page string) {
	if s := q.site; s != nil {
		if q.site = nil; !q.c.logins.alone(s.name, q.user.Name, time.Now()) {
			return
		}
		q.c.log.Warn("refused", "user", q.user.Name, "pool", s.name, "action", page)
		q.c.logins.writeTo([]string{s.name}, task.AuditEntry{User: q.user.Name, Method: q.method(), Action: page}, true)
	}
}

// mostChosen is how many tasks one request may change by id.
const mostChosen = 1000

// chosen returns the ids of the form.
func (q *request) chosen() ([]string, error) {
	return checkChosen(q.PostForm["id"])
}

// checkChosen returns the ids, each once.
func checkChosen(ids []string) ([]string, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	if len(ids) == 0 {
		return nil, &problem{http.StatusBadRequest, "error.none_chosen", nil}
	}
	if len(ids) > mostChosen {
		return nil, &problem{http.StatusBadRequest, "error.too_many", []any{len(ids), mostChosen}}
	}
	return ids, nil
}

// targetOf names ids in an audit entry: all of them if they are few.
func targetOf(ids []string) string {
	const named = 20
	text := strings.Join(ids[:min(len(ids), named)], " ")
	if len(ids) > named {
		text += fmt.Sprintf(" and %d more", len(ids)-named)
	}
	return text
}

// change makes a change of tasks and returns how many have changed. Those whose state does not
// allow it are left as they are.
func (q *request) change(name string, ids []string, change func(ctx context.Context, f pool.Filter) (int, error)) (changed int, err error) {
	err = q.record(action{name: name, target: targetOf(ids), count: len(ids), do: func(ctx context.Context) (n int, err error) {
		changed, err = change(ctx, pool.Filter{IDs: ids})
		return changed, err
	}})
	return changed, err
}

// changeTasks makes a change of the chosen tasks and leads back to the page of the form.
func (q *request) changeTasks(name string, ids []string, change func(ctx context.Context, f pool.Filter) (int, error)) error {
	changed, err := q.change(name, ids, change)
	if refusals(err) {
		return &problem{http.StatusConflict, "error.partly", []any{changed, len(ids), err}}
	}
	if err != nil {
		return err
	}
	return q.done()
}

// refusals reports whether an error consists only of refusals of tasks whose state does not
// allow a change.
func refusals(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(many.Unwrap(), func(part error) bool { return !refusals(part) })
	}
	if inner := errors.Unwrap(err); inner != nil {
		return refusals(inner)
	}
	return slices.ContainsFunc([]error{pool.ErrEnded, pool.ErrNotEnded, pool.ErrNotFound, pool.ErrNotScheduled, pool.ErrNotWaiting, pool.ErrUniqueTaken, pool.ErrShardsLive},
		func(refusal error) bool { return errors.Is(err, refusal) })
}

func (q *request) stopTasks() error {
	return q.changeChosen("tasks/stop", func(ctx context.Context, f pool.Filter) (int, error) {
		return q.site.pool.Stop(ctx, f, q.PostFormValue("reason"))
	})
}

// retryTasks retries the chosen tasks, with another payload and priority if the form has them.
func (q *request) retryTasks() error {
	var e pool.Edit
	name := "tasks/retry"
	if q.PostFormValue("change") != "" {
		name = "tasks/change" // the audit shows that more than the state has changed
		// Browsers write a line break in a form as CR LF. A payload that is not text stays, unless the user replaces it.
		if q.PostFormValue(binaryPrefix+"payload") == "" || q.PostFormValue(replacePrefix+"payload") != "" {
			e.Payload = []byte(strings.ReplaceAll(q.PostFormValue("payload"), "\r\n", "\n"))
		}
		n, err := q.priority()
		if err != nil {
			return err
		}
		e.Priority = &n
	}
	return q.changeChosen(name, func(ctx context.Context, f pool.Filter) (int, error) { return q.site.pool.RetryWith(ctx, f, e) })
}

// priority returns the priority of the form.
func (q *request) priority() (int8, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(q.PostFormValue("priority")), 10, 8)
	if err != nil {
		return 0, wrong("priority", "wrong.priority")
	}
	return int8(n), nil
}

// changePriority gives the chosen tasks, which wait or are scheduled, another priority.
func (q *request) changePriority() error {
	n, err := q.priority()
	if err != nil {
		return err
	}
	return q.changeChosen("tasks/change", func(ctx context.Context, f pool.Filter) (int, error) {
		return q.site.pool.Change(ctx, f, pool.Edit{Priority: &n})
	})
}

func (q *request) runTasks() error    { return q.changeChosen("tasks/run", q.site.pool.RunNow) }
func (q *request) deleteTasks() error { return q.changeChosen("tasks/delete", q.site.pool.Delete) }

func (q *request) changeChosen(name string, change func(ctx context.Context, f pool.Filter) (int, error)) error {
	ids, err := q.chosen()
	if err != nil {
		return err
	}
	return q.changeTasks(name, ids, change)
}

// place returns the queue that a form names, "" for the whole pool.
func (q *request) place() (string, error) {
	queue := q.PostFormValue("queue")
	if queue == "" && q.PostFormValue("scope") != "pool" {
		return "", &problem{http.StatusBadRequest, "error.none_chosen", nil}
	}
	return queue, nil
}

func (q *request) pause() error  { return q.setPaused(true) }
func (q *request) resume() error { return q.setPaused(false) }

func (q *request) setPaused(paused bool) error {
	queue, err := q.place()
	if err != nil {
		return err
	}
	return q.perform(q.pausing(queue, paused))
}

// pausing pauses or resumes a queue, or with "" the pool.
func (q *request) pausing(queue string, paused bool) action {
	if paused {
		return action{name: "pause", target: queue, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.Pause(ctx, queue) }}
	}
	return action{name: "resume", target: queue, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.Resume(ctx, queue) }}
}

// scope returns the scope and the name of a setting.
func (q *request) scope() (pool.Scope, string) {
	return pool.Scope(q.PostFormValue("scope")), q.PostFormValue("name")
}

func (q *request) limit() error {
	scope, name := q.scope()
	a, err := q.limiting(scope, name, strings.TrimSpace(q.PostFormValue("limit")))
	if err != nil {
		return err
	}
	return q.perform(a)
}

// limiting sets a limit: a number, "none" for no limit, or "" for the default.
func (q *request) limiting(scope pool.Scope, name, text string) (action, error) {
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
		n = 0
	case text == "none":
		n = pool.NoLimit
	case err != nil || n < 1:
		return action{}, wrong("limit", "wrong.limit")
	}
	target := strings.TrimSpace(fmt.Sprintf("%s %s: %s", scope, name, text))
	return action{name: "limit", target: target, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.SetLimit(ctx, scope, name, n) }}, nil
}

func (q *request) rate() error {
	scope, name := q.scope()
	a, err := q.rating(scope, name, strings.TrimSpace(q.PostFormValue("rate")))
	if err != nil {
		return err
	}
	return q.perform(a)
}

// rating sets a rate, such as "100/s burst 10", or with "" the default.
func (q *request) rating(scope pool.Scope, name, text string) (action, error) {
	var r pool.Rate
	if text != "" {
		var err error
		if r, err = pool.ParseRate(text); err != nil {
			return action{}, wrong("rate", "wrong.rate", err)
		}
	}
	target := strings.TrimSpace(fmt.Sprintf("%s %s: %s", scope, name, text))
	return action{name: "rate", target: target, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.SetRate(ctx, scope, name, r) }}, nil
}

func (q *request) drain() error {
	id := q.PostFormValue("replica")
	if id == "" {
		return &problem{http.StatusBadRequest, "error.none_chosen", nil}
	}
	return q.perform(q.draining(id))
}

func (q *request) draining(replica string) action {
	return action{name: "replicas/drain", target: replica, do: func(ctx context.Context) (int, error) { return q.site.pool.Drain(ctx, replica) }}
}

// onTrigger makes a change of a trigger.
func (q *request) onTrigger(name, trigger string, do func(ctx context.Context, trigger string) error) action {
	return action{name: "triggers/" + name, target: trigger, do: func(ctx context.Context) (int, error) { return 0, do(ctx, trigger) }}
}

// running makes a task of a trigger now. receipt is set afterwards.
func (q *request) running(trigger string, receipt *pool.Receipt) action {
	return q.onTrigger("run", trigger, func(ctx context.Context, name string) (err error) {
		*receipt, err = q.site.pool.Triggers().Run(ctx, name)
		return err
	})
}

func (q *request) runTrigger() error {
	return q.perform(q.running(q.PostFormValue("name"), new(pool.Receipt)))
}

func (q *request) pauseTrigger() error {
	return q.perform(q.onTrigger("pause", q.PostFormValue("name"), q.site.pool.Triggers().Pause))
}

func (q *request) resumeTrigger() error {
	return q.perform(q.onTrigger("resume", q.PostFormValue("name"), q.site.pool.Triggers().Resume))
}

func (q *request) removeTrigger() error {
	return q.perform(q.onTrigger("remove", q.PostFormValue("name"), q.site.pool.Triggers().Remove))
}

func (q *request) putBack() error      { return q.perform(q.puttingBack(q.PostFormValue("id"))) }
func (q *request) dropRejected() error { return q.perform(q.dropping(q.PostFormValue("id"))) }

func (q *request) puttingBack(id string) action {
	return action{name: "rejected/put-back", target: id, do: func(ctx context.Context) (int, error) { return 0, q.site.pool.PutBack(ctx, id, nil) }}
}

func (q *request) dropping(id string) action {
	return action{name: "rejected/drop", target: id, do: func(ctx context.Context) (int, error) { return q.site.pool.DropRejected(ctx, id) }}
}

// setLanguage keeps the language of the user in a cookie.
func (q *request) setLanguage() error {
	lang := q.PostFormValue("lang")
	if texts()[lang] == nil {
		return &problem{http.StatusBadRequest, "error.form", []any{lang}}
	}
	http.SetCookie(q.w, &http.Cookie{Name: "lts_lang", Value: lang, Path: q.c.opts.Prefix + "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(q.w, q.Request, q.c.opts.Gate.ReturnPath(q.PostFormValue("back")), http.StatusSeeOther)
	return nil
}
