package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// enqueuePage is the form of a new task.
type enqueuePage struct {
	Kinds  []string // that a live replica runs
	Queues []string
	Parts  []inputs
	Others []string // errors of no field of the form
	Wrong  bool
	From   string // the task whose fields the form began with; "" for none
	Lacks  bool   // that task is in the archive, which has not all fields
}

// known returns the kinds and queues that forms offer.
func (q *request) known(p *picture) (page enqueuePage) {
	for _, r := range p.Replicas {
		page.Kinds = append(page.Kinds, r.Kinds...)
	}
	slices.Sort(page.Kinds)
	page.Kinds = slices.Compact(page.Kinds)
	for _, load := range p.Queues {
		page.Queues = append(page.Queues, load.Name)
	}
	return page
}

// enqueueForm is the form of a new task. It begins with the fields of another task if one is
// named.
func (q *request) enqueueForm() error {
	values, archived := url.Values{}, false
	from := q.FormValue("from")
	if from != "" {
		s, lacks, err := q.again(from)
		if err != nil {
			return err
		}
		values, archived = valuesOf(q.hideSpec(s)), lacks
	}
	return q.showEnqueueForm(http.StatusOK, newForm("", values), from, archived)
}

// again returns the task of a new task that does the work of another one again. It is no shard,
// and has neither the id nor a unique key of which only a hash is known. One from the archive lacks
// the fields that the archive does not have.
func (q *request) again(id string) (spec *task.Spec, archived bool, err error) {
	if task.CheckName(id) != nil {
		return nil, false, notFound("task", id)
	}
	found, err := q.site.store.Get(q.Context(), id)
	if err != nil {
		return nil, false, err
	}
	if found[0] == nil {
		old, err := q.fromArchive(id)
		if err != nil {
			return nil, false, err
		}
		if len(old) == 0 || old[0].Unread {
			return nil, false, notFound("task", id)
		}
		found[0], archived = old[0].Task, true
	}
	s := found[0].Spec
	s.ID, s.Delay, s.RunAt, s.Hold, s.Reply = "", 0, time.Time{}, false, false
	if strings.HasPrefix(s.Unique, "#") {
		s.Unique = ""
	}
	if s.Broadcast {
		s.Shards, s.ShardParams = 0, nil
	}
	return &s, archived, nil
}

func valuesOf(s *task.Spec) url.Values {
	values := url.Values{}
	for name, value := range specValues(s) {
		values.Set(name, value)
	}
	return values
}

func (q *request) showEnqueueForm(status int, f *form, from string, archived bool) error {
	p, err := q.site.picture(q.Context())
	if err != nil {
		return err
	}
	page := q.known(p)
	page.Parts, page.From, page.Lacks, page.Wrong = f.taskParts(), from, archived, len(f.errs) > 0
	when := f.part("form.when", true, input{Name: "id"}, input{Name: "delay"}, input{Name: "run_at"}, input{Name: "hold", Kind: "check"})
	page.Parts = slices.Insert(page.Parts, 1, when)
	page.Others = f.others(page.Parts)
	return q.renderStatus(status, "enqueue", time.Time{}, page)
}

// enqueue makes the task of the form and leads to its page.
func (q *request) enqueue() error {
	sent := url.Values{}
	for name, values := range q.PostForm {
		sent[name] = slices.Clone(values)
	}
	from, archived := q.PostFormValue("from"), false
	var left []string
	if from != "" {
		s, lacks, err := q.again(from)
		if err != nil {
			return err
		}
		archived = lacks
		left = restore(sent, valuesOf(q.hideSpec(s)), valuesOf(s))
	}
	f := newForm("", sent)
	spec := f.spec()
	for _, name := range left {
		f.wrong(name, "%s", q.T("wrong.masked"))
	}
	shown := &form{values: q.PostForm, errs: f.errs} // without the stored values
	if len(f.errs) == 0 {
		shown.take(spec.Check())
	}
	if len(f.errs) > 0 {
		return q.showEnqueueForm(http.StatusBadRequest, shown, from, archived)
	}
	receipt, err := q.enqueued(spec)
	if shown.take(err) {
		return q.showEnqueueForm(http.StatusBadRequest, shown, from, archived)
	}
	if err != nil {
		return err
	}
	if receipt.Duplicate {
		return &problem{http.StatusConflict, "error.duplicate", []any{receipt.ID}}
	}
	http.Redirect(q.w, q.Request, q.Path("task", "id", receipt.ID), http.StatusSeeOther)
	return nil
}

// enqueued makes a task.
func (q *request) enqueued(spec task.Spec) (receipt task.Receipt, err error) {
	err = q.record(action{name: "enqueue", target: strings.TrimSpace(spec.Kind + " " + spec.ID), count: 1, do: func(ctx context.Context) (n int, err error) {
		if receipt, err = q.site.pool.EnqueueSpec(ctx, spec); err != nil || receipt.Duplicate {
			return 0, err
		}
		return 1, nil
	}})
	return receipt, err
}
