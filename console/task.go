package console

import (
	"cmp"
	"net/http"
	"time"

	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/task"
)

// taskPage is one task.
type taskPage struct {
	*task.Task
	History  []task.AttemptRecord
	Why      holdup.Reason // what a waiting task waits for
	WaitsFor string        // the same in the language of the user
	Holders  []*task.Task
	MoreHold int
	Steps    []step
	Trace    string // the address of the producer's trace; "" for none
	Redacted bool   // the payload is not shown as it is
	Gone     bool   // Redis has removed the task: this is what its last event says
	Children []*task.Task
	Ended    []ended
	Hosts    map[string]task.Host // where the replicas of the attempts run, or ran
}

// ended are the shards of a parent in a state.
type ended struct {
	State task.State
	Count int
}

// mostChildren is how many children the page of a parent lists.
const mostChildren = 50

// family reads the first children of a parent.
func (q *request) family(page *taskPage) error {
	t := page.Task
	if !t.IsParent() || page.Gone {
		return nil
	}
	for _, e := range []ended{{task.Succeeded, t.Counts.Succeeded}, {task.Failed, t.Counts.Failed}, {task.Stopped, t.Counts.Stopped}, {task.Expired, t.Counts.Expired}} {
		if e.Count > 0 {
			page.Ended = append(page.Ended, e)
		}
	}
	for child, err := range q.site.pool.Tasks(q.Context(), task.Filter{Parent: t.ID, Brief: true}) {
		if err != nil {
			return err
		}
		if page.Children = append(page.Children, child); len(page.Children) == mostChildren {
			break
		}
	}
	return nil
}

// step is a part of the timeline of a task.
type step struct {
	Name     string // of the text: waited, ran
	From, To time.Time
	Attempt  int64
	Code     task.Code
	Replica  string
}

// Took returns how long the step took.
func (s step) Took() time.Duration { return max(s.To.Sub(s.From), 0) }

func (q *request) task() error {
	id := q.FormValue("id")
	if task.CheckName(id) != nil {
		return notFound("task", id)
	}
	found, err := q.site.store.Get(q.Context(), id)
	if err != nil {
		return err
	}
	gone := found[0] == nil
	if gone {
		// Its last event is what is left in Redis. The archive has more.
		archived, failed := q.fromArchive(id)
		if len(archived) > 0 {
			http.Redirect(q.w, q.Request, q.Path("archived", "id", id), http.StatusSeeOther)
			return nil
		}
		if found, err = q.site.pool.Find(q.Context(), id); err != nil {
			return err
		}
		if found[0] == nil {
			return cmp.Or(failed, notFound("task", id))
		}
	}
	page, p, err := q.about(found[0])
	if err != nil {
		return err
	}
	if page.Gone = gone; !gone {
		page.Steps = timeline(page.Task, page.History, p.At)
	}
	if page.Why.Code != "" {
		page.WaitsFor = q.T("waits."+page.Why.Code, page.Why.Args...)
	}
	if err := q.family(&page); err != nil {
		return err
	}
	return q.render("task", p.At, page)
}

// about reads the attempts of a task and what it waits for.
func (q *request) about(t *task.Task) (page taskPage, p *picture, err error) {
	page.Task = t
	if page.History, err = q.site.pool.History(q.Context(), t.ID); err != nil {
		return page, nil, err
	}
	if p, err = q.site.picture(q.Context()); err != nil {
		return page, nil, err
	}
	if t.State == task.Waiting {
		why := holdup.New(q.site.pool)
		if page.Why, err = why.Reason(q.Context(), t); err != nil {
			return page, nil, err
		}
		if page.Holders, page.MoreHold, err = why.Holders(q.Context(), t); err != nil {
			return page, nil, err
		}
	}
	if page.Hosts, err = q.hosts(t, page.History); err != nil {
		return page, nil, err
	}
	page.Redacted = q.c.redact(t)
	page.Trace = q.c.traceOf(t) // none if the header is redacted
	return page, p, nil
}

// hosts reads where the replicas of a task and of its attempts run, or ran until they left.
func (q *request) hosts(t *task.Task, history []task.AttemptRecord) (map[string]task.Host, error) {
	replicas := []string{t.Replica}
	for _, a := range history {
		replicas = append(replicas, a.Replica)
	}
	return q.site.store.Hosts(q.Context(), replicas...)
}

// Where returns the host and the IP address of a replica, "" if they are not known.
func (p taskPage) Where(replica string) string { return p.Hosts[replica].String() }

// timeline returns the waits and the attempts of a task that are known, the first one first.
func timeline(t *task.Task, history []task.AttemptRecord, now time.Time) (steps []step) {
	at := t.CreatedAt
	if t.DueAt.After(at) && (len(history) == 0 || t.DueAt.Before(history[0].At)) {
		steps = append(steps, step{Name: "scheduled", From: at, To: t.DueAt})
		at = t.DueAt
	}
	ran := func(from, to time.Time, n int64, code task.Code, replica string) {
		if from.After(at) {
			steps = append(steps, step{Name: "waited", From: at, To: from})
		}
		steps = append(steps, step{Name: "ran", From: from, To: to, Attempt: n, Code: code, Replica: replica})
		at = to
	}
	for _, a := range history {
		ran(a.At.Add(-a.Run), a.At, a.Attempt, a.Code, a.Replica)
	}
	recorded := len(history) > 0 && history[len(history)-1].Attempt == t.Attempt
	switch {
	case t.State == task.Running && !t.StartedAt.IsZero():
		ran(t.StartedAt, now, t.Attempt, "", t.Replica)
	case t.State.Terminal() && !t.StartedAt.IsZero() && !recorded && t.Attempt > 0:
		ran(t.StartedAt, t.EndedAt, t.Attempt, t.Code, t.Replica)
	case !t.State.Terminal():
		steps = append(steps, step{Name: string(t.State), From: at, To: now})
	case t.EndedAt.After(at):
		steps = append(steps, step{Name: "waited", From: at, To: t.EndedAt})
	}
	return steps
}
