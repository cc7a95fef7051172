package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// maxTries is how many times a change is tried while others change the same trigger.
const maxTries = 100

// Set sets a trigger, and replaces one with its name. Everything that is wrong with it is
// returned at once, as joined FieldErrors, before anything is written. A schedule that
// never fires again is refused.
//
// The same definition again changes nothing. A definition with the same schedule keeps the
// next planned time. A trigger that Pause has paused stays paused.
func (t *Triggers) Set(ctx context.Context, def Trigger) error {
	_, err := t.set(ctx, def, "", "", nil)
	return err
}

// ErrTriggerChanged is returned by SetIf if the definition of the trigger is another one.
var ErrTriggerChanged = errors.New("the trigger has changed since it was read")

// SetIf is Set if the trigger still has the definition of before, which Get has returned;
// nil for none. Otherwise the error is ErrTriggerChanged.
func (t *Triggers) SetIf(ctx context.Context, def Trigger, before *TriggerInfo) error {
	_, err := t.set(ctx, def, "", "", func(read task.StoredTrigger) error {
		if found := read.Version != ""; found != (before != nil) || found && !read.SetAt.Equal(before.SetAt) {
			return fmt.Errorf("set trigger %s: %w", def.Name, ErrTriggerChanged)
		}
		return nil
	})
	return err
}

// set also reports whether it has changed the trigger. entry is the entry of triggers:inbox
// that requests it; "" for none. check, if it is not nil, refuses what is stored now.
func (t *Triggers) set(ctx context.Context, def Trigger, origin, entry string, check func(task.StoredTrigger) error) (changed bool, err error) {
	if def.Task.Queue == "" {
		def.Task.Queue = t.p.ownQueues[def.Task.Kind]
	}
	def.Task.Then = t.p.toOwnQueue(def.Task.Then)
	for range maxTries {
		read, now, err := t.read(ctx, def.Name)
		if err != nil && !errors.Is(err, ErrNoTrigger) {
			return false, fmt.Errorf("set trigger %s: %w", def.Name, err)
		}
		if check != nil {
			if err := check(read); err != nil {
				return false, err
			}
		}
		c, err := t.change(&def, read, now, origin)
		switch {
		case err != nil:
			return false, err
		case c == nil && entry != "":
			return false, t.p.store.DropTriggerEntry(ctx, entry, "")
		case c == nil:
			return false, nil
		}
		c.Entry = entry
		done, err := t.p.store.SetTrigger(ctx, *c)
		if err != nil || done {
			return done, err
		}
	}
	return false, fmt.Errorf("set trigger %s: other clients change it all the time", def.Name)
}

// Applied is what Apply has changed.
type Applied struct {
	Set     int // triggers that were created or replaced
	Removed int
}

// Apply sets triggers and removes those that an earlier Apply with this origin has set and
// that are not among them any more. Other triggers stay. The origin is a name, such as that
// of a config file. Everything that is wrong with the triggers is returned before the first
// is written; two with one name are refused. One whose last planned time has passed is left out.
func (t *Triggers) Apply(ctx context.Context, origin string, defs []Trigger) (done Applied, err error) {
	if err := task.CheckName(origin); err != nil {
		return done, &FieldError{Field: "origin", Msg: err.Error()}
	}
	var errs []error
	names := map[string]bool{}
	for i := range defs {
		if names[defs[i].Name] {
			errs = append(errs, fmt.Errorf("trigger %s: %w", task.Clip(defs[i].Name), &FieldError{Field: "name", Msg: "is that of two triggers"}))
			continue
		}
		names[defs[i].Name] = true
		if _, err := t.p.planner.New(&defs[i], time.Now()); err != nil {
			errs = append(errs, fmt.Errorf("trigger %s: %w", task.Clip(defs[i].Name), err))
		}
	}
	if len(errs) > 0 {
		return done, errors.Join(errs...)
	}
	for _, def := range defs {
		changed, err := t.set(ctx, def, origin, "", nil)
		if past := (neverFires{}); errors.As(err, &past) {
			continue
		}
		if err != nil {
			return done, err
		}
		if changed {
			done.Set++
		}
	}
	list, err := t.List(ctx)
	if err != nil {
		return done, err
	}
	for _, i := range list {
		if i.Origin != origin || names[i.Name] {
			continue
		}
		if err := t.Remove(ctx, i.Name); err != nil && !errors.Is(err, ErrNoTrigger) {
			return done, err
		}
		done.Removed++
	}
	return done, nil
}

// change returns the change that sets a definition, nil if the trigger has it already.
func (t *Triggers) change(def *Trigger, read task.StoredTrigger, now time.Time, origin string) (*task.TriggerChange, error) {
	old := &Trigger{}
	if read.Version != "" {
		if d, err := trigger.Decode([]byte(read.Definition)); err == nil {
			old = d
		}
	}
	same := read.Version != "" && def.SameTimes(old)
	c := &task.TriggerChange{Read: read, Name: def.Name, Origin: origin, Anchor: now, After: def.After}
	if same || read.Version != "" && def.Every == old.Every && def.Start.Equal(old.Start) {
		c.Anchor = read.Anchor
	}
	plan, err := t.p.planner.New(def, c.Anchor)
	if err != nil {
		return nil, fmt.Errorf("set trigger %s: %w", task.Clip(def.Name), err)
	}
	text, err := trigger.Encode(def)
	if err != nil {
		return nil, fmt.Errorf("set trigger %s: %w", task.Clip(def.Name), err)
	}
	c.Definition = string(text)
	if c.Definition == read.Definition && origin == read.Origin {
		return nil, nil
	}
	c.Paused = def.Paused || read.Paused && !old.Paused
	ended := read.Planned.IsZero() && read.Pending.IsZero() && def.After == 0
	if c.KeepPlan = same && !ended && (c.Paused || !read.Paused); c.KeepPlan {
		return c, nil
	}
	overdue := read.Planned
	if read.Paused {
		overdue = time.Time{}
	}
	if c.Planned = plan.First(now, overdue); c.Planned.IsZero() {
		return nil, fmt.Errorf("set trigger %s: %w", def.Name, neverFires{&FieldError{Field: def.ScheduleField(), Msg: "never fires: its last time has passed, or its calendars leave out all its days"}})
	}
	c.Due = plan.Due(c.Planned)
	return c, nil
}

// neverFires is the error of a schedule without a planned time from now on.
type neverFires struct{ *FieldError }

func (e neverFires) Unwrap() error { return e.FieldError }
