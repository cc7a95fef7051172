package pool

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/ltsworker/ltsworker/task"
)

// changeBatch is how many tasks one call changes: enough to make round trips
// cheap, few enough that other clients are not kept waiting.
const changeBatch = 100

// Tasks reads the tasks that match f, state by state in the order of
// task.States; an empty filter matches all. Tasks that change state meanwhile
// may be seen twice or not at all. An error ends it: a filter with bad names, or
// what the store answers.
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

// Stop asks for the end of the live tasks that match f and returns how many it
// took effect on. Scheduled and waiting tasks are stopped at once; the handlers
// of running ones have their contexts cancelled with ErrStopped. why is kept with
// the task.
//
// Single tasks are refused without an end to the others: one named by id that
// does not exist with ErrNotFound, one that has ended otherwise with ErrEnded.
// Tasks that a filter selects by anything else are those that matched when it
// was read; what has ended meanwhile is not counted and is no error.
//
// An empty filter is refused with ErrEmptyFilter.
func (p *Pool) Stop(ctx context.Context, f Filter, why string) (int, error) {
	if len(why) > task.MaxErrorLen {
		return 0, fmt.Errorf("stop: %w", &FieldError{Field: "why", Msg: fmt.Sprintf("is %d bytes long; the limit is %d", len(why), task.MaxErrorLen)})
	}
	return p.change(ctx, f, verb{
		name: "stop", from: LiveStates(), to: Stopped, refusal: ErrEnded,
		call: func(ctx context.Context, ids ...string) ([]task.Change, error) {
			return p.store.Stop(ctx, why, ids...)
		},
	})
}

// Retry puts the ended tasks that match f back into their queues, as new
// generations with fresh attempts, and returns how many. It refuses like Stop,
// tasks that still live with ErrNotEnded, and one whose unique key another task
// holds by now with ErrUniqueTaken.
//
// If a driver repeats a call whose reply was lost, the answer is that of the repeat: a
// task that this Retry had already put back counts as one that still lives.
func (p *Pool) Retry(ctx context.Context, f Filter) (int, error) {
	return p.change(ctx, f, verb{name: "retry", from: EndedStates(), refusal: ErrNotEnded, call: p.store.Retry})
}

// Delete removes the ended tasks that match f with everything that belongs to
// them, and returns how many. It refuses like Stop, and tasks that still live
// with ErrNotEnded: stop them first. As with Retry, a task that it removed by a call
// whose reply was lost is one that does not exist.
func (p *Pool) Delete(ctx context.Context, f Filter) (int, error) {
	return p.change(ctx, f, verb{name: "delete", from: EndedStates(), refusal: ErrNotEnded, call: p.store.Delete})
}

// LiveStates are the states that a task goes on from, those that Stop applies to.
func LiveStates() []State { return slices.DeleteFunc(task.States(), State.Terminal) }

// EndedStates are the terminal states, those that Retry and Delete apply to.
func EndedStates() []State {
	return slices.DeleteFunc(task.States(), func(s State) bool { return !s.Terminal() })
}

// verb is a change that a filter can ask for.
type verb struct {
	name    string
	from    []State // the states it applies to
	to      State   // the state it leads to, in which asking again is no mistake; "" for none
	refusal error   // what is wrong with a task in another state
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

// refused says what is wrong with a change that was not made, if anything is.
func (v verb) refused(c task.Change, named bool) error {
	switch {
	case c.Err != nil:
		return c.Err
	case !named, c.State == v.to && v.to != "":
		return nil
	case c.State == "":
		return ErrNotFound
	default:
		return fmt.Errorf("%w, it is %s", v.refusal, c.State)
	}
}

// matching lists the ids that f selects. They are all read before any is
// changed: changing tasks moves the indexes that are being read.
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

// unique returns the ids without those that were there before, in their order.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

func onlyIDs(f Filter) bool {
	f.IDs = nil
	return f.Empty()
}

// checkFilter reports every bad name, and every state that is not one of states.
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
	for _, s := range f.States {
		if !slices.Contains(states, s) {
			errs = append(errs, &FieldError{Field: "states", Msg: fmt.Sprintf("must be of %v here, not %q", states, s)})
		}
	}
	return errors.Join(errs...)
}
