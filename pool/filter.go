package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"

	"github.com/ltsworker/ltsworker/task"
)

// changeBatch is how many tasks one call changes: enough to make round trips cheap, and
// few enough that other clients do not wait long.
const changeBatch = 100

// Tasks reads the tasks that match f, state by state in the order of task.States. An
// empty filter matches all. Tasks that change state meanwhile may be yielded twice or
// not at all. An error ends the iteration: invalid names in the filter, or an error of
// the store.
func (p *Pool) Tasks(ctx context.Context, f Filter) iter.Seq2[*task.Task, error] {
	return func(yield func(*task.Task, error) bool) {
		if err := checkFilter(f, task.States()); err != nil {
			yield(nil, fmt.Errorf("tasks: %w", err))
			return
		}
		for t, err := range p.store.Tasks(ctx, f) {
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// Page reads a page of the scheduled, the waiting or the ended tasks of a state. Its cost does
// not depend on how many tasks there are: about q.Budget tasks are compared at most, so a page may
// have fewer tasks than q.Limit and still a Next. See task.Page for what holds while tasks change.
// Another state, an invalid name and a q.After that is no Next of a page are FieldErrors.
func (p *Pool) Page(ctx context.Context, q task.PageQuery) (task.Page, error) {
	f := Filter{Kinds: q.Kinds, Queues: q.Queues, Groups: q.Groups, Labels: q.Labels, States: []State{q.State}}
	if err := checkFilter(f, task.States()); err != nil {
		return task.Page{}, fmt.Errorf("page: %w", err)
	}
	return p.store.Page(ctx, q)
}

// Stop stops the live tasks that match f and returns their number. Scheduled and
// waiting tasks are stopped at once. The contexts of running handlers are cancelled
// with ErrStopped. A running task whose stop was requested before is neither counted nor
// an error. why is kept with the task; at most task.MaxErrorLen bytes.
//
// If f selects by id only, the error contains an ErrNotFound for each task that does
// not exist and an ErrEnded for each that has ended in another state; the others are
// stopped. If f selects by other fields, tasks that have ended since the filter was
// read are neither counted nor an error. If a driver repeats a call whose reply was
// lost, the tasks that the first call stopped are not counted.
//
// An empty filter is refused with ErrEmptyFilter.
func (p *Pool) Stop(ctx context.Context, f Filter, why string) (int, error) {
	if len(why) > task.MaxErrorLen {
		return 0, fmt.Errorf("stop: %w", &FieldError{Field: "why", Msg: fmt.Sprintf("is %d bytes long; the limit is %d", len(why), task.MaxErrorLen)})
	}
	if !utf8.ValidString(why) {
		return 0, fmt.Errorf("stop: %w", &FieldError{Field: "why", Msg: "must be valid UTF-8"})
	}
	return p.change(ctx, f, verb{
		name: "stop", from: LiveStates(), to: Stopped, asked: Running, refusal: ErrEnded,
		call: func(ctx context.Context, ids ...string) ([]task.Change, error) {
			return p.store.Stop(ctx, why, ids...)
		},
	})
}

// Retry puts the ended tasks that match f back into their queues, as new generations
// with fresh attempts, and returns their number. Errors are as for Stop, with
// ErrNotEnded for a task that is live, ErrUniqueTaken for one whose unique key another
// task has by now, and ErrShardsLive for a parent some of whose children have not been
// stopped: retry it again after that.
//
// If a driver repeats a call whose reply was lost, the result is that of the first call.
func (p *Pool) Retry(ctx context.Context, f Filter) (int, error) {
	return p.RetryWith(ctx, f, Edit{})
}

// RetryWith is Retry with the priority and the payload of the edit. An invalid payload is a
// FieldError. An empty edit keeps both.
func (p *Pool) RetryWith(ctx context.Context, f Filter, e Edit) (int, error) {
	if err := e.Check(); err != nil {
		return 0, fmt.Errorf("retry: %w", err)
	}
	return p.change(ctx, f, verb{name: "retry", from: EndedStates(), refusal: ErrNotEnded,
		call: func(ctx context.Context, ids ...string) ([]task.Change, error) { return p.store.Retry(ctx, e, ids...) }})
}

// Change gives the waiting and scheduled tasks that match f another priority, another
// payload or both, and returns their number. A task with a new priority takes a position
// behind the tasks that have this priority. A task that has this priority already keeps
// its position. Everything else stays, such as the unique key, the due time and the
// number of attempts. The state stays, so there is no event.
//
// Errors are as for Stop, with ErrNotWaiting for a task that runs or has ended. An empty
// edit and an invalid payload are FieldErrors. If a driver repeats a call whose reply was
// lost, the result is that of the first call.
func (p *Pool) Change(ctx context.Context, f Filter, e Edit) (int, error) {
	err := e.Check()
	if e.Empty() {
		err = &FieldError{Field: "edit", Msg: "must have a priority or a payload"}
	}
	if err != nil {
		return 0, fmt.Errorf("change: %w", err)
	}
	return p.change(ctx, f, verb{name: "change", from: []State{Scheduled, Waiting}, refusal: ErrNotWaiting,
		call: func(ctx context.Context, ids ...string) ([]task.Change, error) { return p.store.Change(ctx, e, ids...) }})
}

// RunNow puts the scheduled tasks that match f into their queues before they are due,
// and returns their number. A task may be on hold, or wait for its delay, its run-at time
// or its next attempt. Filter.Hold selects tasks on hold only. Limits, pauses, priorities, TTL and deadline apply as to a task that is due.
//
// Errors are as for Stop, with ErrNotScheduled for a task that runs or has ended. A
// task that waits in its queue already is neither counted nor an error. If a driver
// repeats a call whose reply was lost, the result is that of the first call.
func (p *Pool) RunNow(ctx context.Context, f Filter) (int, error) {
	return p.change(ctx, f, verb{name: "run now", from: []State{Scheduled}, to: Waiting, refusal: ErrNotScheduled, call: p.store.RunNow})
}

// Delete removes the ended tasks that match f with all their data and returns their
// number. Errors are as for Stop, with ErrNotEnded for a task that is live: stop it
// first. If a driver repeats a call whose reply was lost, a task that the first call
// removed counts as not found.
func (p *Pool) Delete(ctx context.Context, f Filter) (int, error) {
	return p.change(ctx, f, verb{name: "delete", from: EndedStates(), refusal: ErrNotEnded, call: p.store.Delete})
}

// LiveStates returns the states that are not terminal: those that Stop applies to.
func LiveStates() []State { return slices.DeleteFunc(task.States(), State.Terminal) }

// EndedStates returns the terminal states: those that Retry and Delete apply to.
func EndedStates() []State {
	return slices.DeleteFunc(task.States(), func(s State) bool { return !s.Terminal() })
}

// verb is a change of the tasks that a filter selects.
type verb struct {
	name    string
	from    []State // the states it applies to
	to      State   // the state that it leads to: a task already in it is no error; "" for none
	asked   State   // the state of a task that got the request before and has not followed it; "" for none
	refusal error   // the error for a task in another state
	call    func(ctx context.Context, ids ...string) ([]task.Change, error)
}

func (p *Pool) change(ctx context.Context, f Filter, v verb) (int, error) {
	if f.Empty() {
		return 0, fmt.Errorf("%s: %w", v.name, ErrEmptyFilter)
	}
	if err := checkFilter(f, v.from); err != nil {
		return 0, fmt.Errorf("%s: %w", v.name, err)
	}
	ids, named := f.IDs, onlyIDs(f)
	if !named {
		var err error
		if ids, err = p.matching(ctx, f, v.from); err != nil {
			return 0, fmt.Errorf("%s: %w", v.name, err)
		}
	}
	n := 0
	var refused []error
	for batch := range slices.Chunk(unique(ids), changeBatch) {
		changes, err := v.call(ctx, batch...)
		if err != nil {
			if n > 0 {
				err = fmt.Errorf("after %d tasks: %w", n, err)
			}
			return n, errors.Join(append(refused, err)...)
		}
		for _, c := range changes {
			if c.Done {
				n++
			} else if err := v.refused(c, named); err != nil {
				refused = append(refused, fmt.Errorf("%s task %s: %w", v.name, c.ID, err))
			}
		}
	}
	return n, errors.Join(refused...)
}

// refused returns why a change was not made; nil if that is no error.
func (v verb) refused(c task.Change, named bool) error {
	switch {
	case c.Err != nil:
		return c.Err
	case !named, c.State != "" && (c.State == v.to || c.State == v.asked || v.asked != "" && c.State == Exporting):
		return nil
	case c.State == "":
		return ErrNotFound
	default:
		return fmt.Errorf("%w, it is %s", v.refusal, c.State)
	}
}

// matching returns the ids of the tasks that f selects. All are read before any is
// changed, because a change moves the indexes that are being read.
func (p *Pool) matching(ctx context.Context, f Filter, states []State) ([]string, error) {
	if len(f.States) == 0 {
		f.States = states
	}
	f.Brief = true
	var ids []string
	for t, err := range p.store.Tasks(ctx, f) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, t.ID)
	}
	return ids, nil
}

// unique returns the ids in their order, without repetitions.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		repeated := seen[id]
		seen[id] = true
		return repeated
	})
}

func onlyIDs(f Filter) bool {
	f.IDs = nil
	return f.Empty()
}

// checkFilter returns every invalid name, and every state that is not in states.
func checkFilter(f Filter, states []State) error {
	var errs []error
	check := func(field string, names []string) {
		for _, name := range names {
			errs = append(errs, checkName(field, name))
		}
	}
	check("ids", f.IDs)
	check("kinds", f.Kinds)
	check("queues", f.Queues)
	check("groups", f.Groups)
	for _, key := range f.Unique {
		if key == "" {
			errs = append(errs, &FieldError{Field: "unique", Msg: "must not be empty"})
		}
	}
	for _, s := range f.States {
		if !slices.Contains(states, s) {
			errs = append(errs, &FieldError{Field: "states", Msg: fmt.Sprintf("must be one of %v, not %q", states, s)})
		}
	}
	return errors.Join(errs...)
}
