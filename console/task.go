package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/internal/holdup"
	"github.com/ltsworker/ltsworker/task"
)

// taskPage is one task.
type taskPage struct {
	*task.Task
	History  []task.AttemptRecord
	Why      holdup.Reason // what a waiting task waits for
	WaitsFor template.HTML // the same in the language of the user
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
func (s *site) family(ctx context.Context, page *taskPage) error {
	t := page.Task
	if !t.IsParent() {
		return nil
	}
	for _, e := range []ended{{task.Succeeded, t.Counts.Succeeded}, {task.Failed, t.Counts.Failed}, {task.Stopped, t.Counts.Stopped}, {task.Expired, t.Counts.Expired}} {
		if e.Count > 0 {
			page.Ended = append(page.Ended, e)
		}
	}
	for child, err := range s.pool.Tasks(ctx, task.Filter{Parent: t.ID, Brief: true}) {
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

// missing returns the id of the task that an error says is none.
func (q *request) missing(err error) string {
	var p *problem
	if errors.As(err, &p) && p.key == "error.no_task" && q.site != nil {
		return fmt.Sprint(p.args...)
	}
	return ""
}

func (q *request) task() error {
	id := q.FormValue("id")
	if task.CheckName(id) != nil {
		return notFound("task", id)
	}
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	c, s := q.c, q.site
	page, err := s.tasks.get(q.Context(), s.hub, id, func(ctx context.Context) (taskPage, error) { return c.taskOf(ctx, s, id, p) })
	if err != nil {
		return err
	}
	if page.Task == nil {
		// Its last event is what is left in Redis. The archive has more.
		archived, failed := q.fromArchive(id)
		if len(archived) > 0 {
			http.Redirect(q.w, q.Request, q.Path("archived", "id", id), http.StatusSeeOther)
			return nil
		}
		found, err := s.pool.Find(q.Context(), id)
		if err != nil {
			return err
		}
		if found[0] == nil {
			return cmp.Or(failed, notFound("task", id))
		}
		if page, err = c.about(q.Context(), s, found[0], p); err != nil {
			return err
		}
		page.Gone = true
	} else {
		page.Steps = timeline(page.Task, page.History, p.At)
	}
	if page.Why.Code != "" {
		page.WaitsFor = q.because(page.Why)
	}
	return q.render("task", p.At, page)
}

// because returns what a task waits for, with times that the page shows in the zone of the user.
func (q *request) because(why holdup.Reason) template.HTML {
	args, times := slices.Clone(why.Args), []string{}
	for i, a := range args {
		if at, ok := a.(holdup.Start); ok {
			mark := fmt.Sprintf("\uE000%d\uE000", i) // a character for private use: names and durations have none
			args[i], times = mark, append(times, mark, string(timeTag(time.Time(at))))
		}
	}
	switch why.Code { // whose last argument is a text of a replica, or about replicas
	case "refused", "labels", "no_labels":
		last := len(args) - 1
		args[last] = q.meaning(fmt.Sprint(args[last]))
	}
	return template.HTML(strings.NewReplacer(times...).Replace(template.HTMLEscapeString(q.T("waits."+why.Code, args...))))
}

// taskOf reads a task and what its page shows besides. Viewers of the task share it. Its Task is nil if Redis
// no longer has the task.
func (c *Console) taskOf(ctx context.Context, s *site, id string, p *picture) (page taskPage, err error) {
	found, err := s.store.Get(ctx, id)
	if err != nil || found[0] == nil {
		return page, err
	}
	if page, err = c.about(ctx, s, found[0], p); err != nil {
		return page, err
	}
	return page, s.family(ctx, &page)
}

// about reads the attempts of a task and what it waits for.
func (c *Console) about(ctx context.Context, s *site, t *task.Task, p *picture) (page taskPage, err error) {
	page.Task = t
	if page.History, err = s.pool.History(ctx, t.ID); err != nil {
		return page, err
	}
	if t.State == task.Waiting {
		why := holdup.Of(s.pool, p.Stats, p.Replicas)
		if page.Why, err = why.Reason(ctx, t); err != nil {
			return page, err
		}
		if page.Holders, page.MoreHold, err = why.Holders(ctx, t); err != nil {
			return page, err
		}
	}
	if page.Hosts, err = s.hosts(ctx, t, page.History); err != nil {
		return page, err
	}
	page.Redacted = c.redact(t)
	page.Trace = c.traceOf(t) // none if the header is redacted
	return page, nil
}

// hosts reads where the replicas of a task and of its attempts run, or ran until they left.
func (s *site) hosts(ctx context.Context, t *task.Task, history []task.AttemptRecord) (map[string]task.Host, error) {
	replicas := []string{t.Replica}
	for _, a := range history {
		replicas = append(replicas, a.Replica)
	}
	return s.store.Hosts(ctx, replicas...)
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
