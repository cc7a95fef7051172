package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger"
)

// Triggers reads and changes the triggers of a pool: named schedules that make tasks.
// Every replica of the pool fires them; without a replica none fires, and the misfire rule
// decides afterwards. It is safe for concurrent use.
type Triggers struct{ p *Pool }

// Triggers returns the triggers of the pool.
func (p *Pool) Triggers() *Triggers { return &Triggers{p} }

// TriggerInfo is a trigger as it is stored.
type TriggerInfo struct {
	Trigger
	// Paused reports whether the trigger is paused now, by its definition or by Pause.
	Paused bool
	// Next is the next planned time; zero if there is none, or if the trigger waits for the
	// end of its task.
	Next time.Time
	// Due is when the next firing is due: Next and the jitter.
	Due time.Time
	// Pending is a planned time that waits for the end of the task before; zero for none.
	Pending time.Time
	// SetAt is when the definition was last changed.
	SetAt time.Time
	// Origin is "" for a trigger that a client has set, else the name of the config file.
	Origin string
	// Err says why this program cannot compute the trigger; nil if it can.
	Err error
}

// read reads a trigger. It returns ErrNoTrigger if there is none.
func (t *Triggers) read(ctx context.Context, name string) (task.StoredTrigger, time.Time, error) {
	if err := task.CheckName(name); err != nil {
		return task.StoredTrigger{}, time.Time{}, &FieldError{Field: "name", Msg: err.Error()}
	}
	read, now, err := t.p.store.Triggers(ctx, name)
	if err != nil {
		return task.StoredTrigger{}, now, err
	}
	if read[0].Version == "" {
		return read[0], now, ErrNoTrigger
	}
	return read[0], now, nil
}

// Remove removes a trigger and its history. Its tasks stay. It returns ErrNoTrigger if there
// is no such trigger.
func (t *Triggers) Remove(ctx context.Context, name string) error {
	return t.simple(ctx, "remove", name, t.p.store.RemoveTrigger)
}

// Pause pauses a trigger. It makes no task after Pause has returned, until Resume. Planned
// times that pass meanwhile are left out. It returns ErrNoTrigger if there is no such
// trigger.
func (t *Triggers) Pause(ctx context.Context, name string) error {
	return t.simple(ctx, "pause", name, t.p.store.PauseTrigger)
}

func (t *Triggers) simple(ctx context.Context, verb, name string, do func(context.Context, string) error) error {
	if err := task.CheckName(name); err != nil {
		return fmt.Errorf("%s trigger %s: %w", verb, task.Clip(name), &FieldError{Field: "name", Msg: err.Error()})
	}
	return do(ctx, name)
}

// Resume ends the pause of a trigger. Its next planned time is the first one after now. It
// does nothing if the trigger is not paused. It returns ErrNoTrigger if there is no such
// trigger.
func (t *Triggers) Resume(ctx context.Context, name string) error {
	for range maxTries {
		read, now, err := t.read(ctx, name)
		if err == nil && !read.Paused {
			return nil
		}
		var plan *trigger.Plan
		if err == nil {
			plan, err = t.p.planner.Plan(read)
		}
		if err != nil {
			return fmt.Errorf("resume trigger %s: %w", task.Clip(name), err)
		}
		c := task.TriggerChange{Read: read, Name: name, Planned: plan.First(now, time.Time{})}
		c.Due = plan.Due(c.Planned)
		if done, err := t.p.store.ResumeTrigger(ctx, c); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("resume trigger %s: other clients change it all the time", name)
}

// Get reads a trigger. It returns ErrNoTrigger if there is none.
func (t *Triggers) Get(ctx context.Context, name string) (*TriggerInfo, error) {
	read, _, err := t.read(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("get trigger %s: %w", task.Clip(name), err)
	}
	return t.info(read), nil
}

// List reads all triggers, sorted by name.
func (t *Triggers) List(ctx context.Context) ([]*TriggerInfo, error) {
	names, err := t.p.store.TriggerNames(ctx)
	if err != nil {
		return nil, err
	}
	var all []*TriggerInfo
	for page := range slices.Chunk(names, listTriggers) {
		read, _, err := t.p.store.Triggers(ctx, page...)
		if err != nil {
			return nil, err
		}
		for _, r := range read {
			if r.Version != "" { // it may have been removed meanwhile
				all = append(all, t.info(r))
			}
		}
	}
	return all, nil
}

// Overdue reads up to 100 triggers that no replica has handled for more than a minute after they
// were due, and how long the first of them is due. Those that are due for longest come first.
func (t *Triggers) Overdue(ctx context.Context) (late []*TriggerInfo, longest time.Duration, err error) {
	read, now, err := t.p.store.LateTriggers(ctx)
	for i, r := range read {
		if i == 0 {
			longest = now.Sub(r.Due)
		}
		late = append(late, t.info(r))
	}
	return late, longest, err
}

// listTriggers is how many triggers List reads at once.
const listTriggers = 500

func (t *Triggers) info(read task.StoredTrigger) *TriggerInfo {
	i := &TriggerInfo{Paused: read.Paused, Next: read.Planned, Due: read.Due, Pending: read.Pending, SetAt: read.SetAt, Origin: read.Origin}
	def, err := trigger.Decode([]byte(read.Definition))
	if err == nil {
		i.Trigger = *def
		_, err = t.p.planner.New(def, read.Anchor)
	}
	i.Name, i.Err = read.Name, err
	if read.Paused {
		i.Next, i.Due = time.Time{}, time.Time{}
	}
	return i
}

// Run makes a task of a trigger now, besides its schedule, even if it is paused. The planned
// time of the task is now. The receipt is that of an enqueue: its error says why the task
// was refused. Run returns ErrNoTrigger if there is no such trigger.
func (t *Triggers) Run(ctx context.Context, name string) (Receipt, error) {
	for range maxTries {
		read, now, err := t.read(ctx, name)
		var plan *trigger.Plan
		if err == nil {
			plan, err = t.p.planner.Plan(read)
		}
		if err != nil {
			return Receipt{}, fmt.Errorf("run trigger %s: %w", task.Clip(name), err)
		}
		got, err := t.p.store.FireTriggers(ctx, []task.TriggerFiring{plan.Run(read, now)}, 0)
		if err != nil {
			return Receipt{}, fmt.Errorf("run trigger %s: %w", name, err)
		}
		if !got.Changed[0] && len(got.Fired[0]) > 0 {
			return receiptOf(got.Fired[0][0])
		}
	}
	return Receipt{}, fmt.Errorf("run trigger %s: other clients change it all the time", name)
}

func receiptOf(e task.TriggerRecord) (Receipt, error) {
	r := Receipt{ID: e.Task, State: Waiting}
	switch e.Outcome {
	case task.TriggerEnqueued:
	case task.TriggerDuplicate:
		r.Duplicate = true
	case task.TriggerQueueFull:
		r.Err = fmt.Errorf("%w: %s", ErrQueueFull, e.Why)
	case task.TriggerLimitReached:
		r.Err = fmt.Errorf("%w: %s", ErrLimitReached, e.Why)
	default:
		r.Err = errors.New(e.Why)
	}
	return r, r.Err
}

// Next returns the next planned times of a trigger, at most n. It returns ErrNoTrigger if
// there is no such trigger. There are none while it is paused or waits for its task; of a
// fixed delay only the next one is known.
func (t *Triggers) Next(ctx context.Context, name string, n int) ([]time.Time, error) {
	read, _, err := t.read(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("next times of trigger %s: %w", task.Clip(name), err)
	}
	plan, err := t.p.planner.Plan(read)
	if err != nil {
		return nil, fmt.Errorf("next times of trigger %s: %w", name, err)
	}
	if read.Paused {
		return nil, nil
	}
	return plan.Following(read.Planned, n), nil
}

// Preview returns the first n planned times of a definition, without setting it. What is
// wrong with it is returned as joined FieldErrors.
func (t *Triggers) Preview(def Trigger, n int) ([]time.Time, error) {
	now := time.Now()
	plan, err := t.p.planner.New(&def, now)
	if err != nil {
		return nil, err
	}
	return plan.Following(plan.First(now, time.Time{}), n), nil
}

// History reads the newest entries of a trigger's history, newest first: the last 50. A
// trigger without any, or that does not exist, has none.
func (t *Triggers) History(ctx context.Context, name string) ([]TriggerRecord, error) {
	if err := task.CheckName(name); err != nil {
		return nil, &FieldError{Field: "name", Msg: err.Error()}
	}
	return t.p.store.TriggerHistory(ctx, name)
}
