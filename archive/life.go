package archive

import (
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// life is what the archive holds of one id, as far as a page of events concerns it: its
// newest generation, and the rows that the events add or change.
type life struct {
	pool string
	id   string
	// newest is the generation that the latest event belongs to; nil for none.
	newest   *Task
	tasks    []*Task // newest, and those before it that the events have changed
	attempts map[attemptKey]*Attempt
	events   []ownedEvent
	// gaps are the positions behind which events were lost, the newest first.
	gaps []position
}

type attemptKey struct {
	of *Task
	n  int64
}

type ownedEvent struct {
	of *Task
	Event
}

func newLife(pool, id string, newest *Task, gaps []position) *life {
	l := &life{pool: pool, id: id, newest: newest, gaps: gaps, attempts: map[attemptKey]*Attempt{}}
	if newest != nil {
		l.tasks = append(l.tasks, newest)
	}
	return l
}

// lost reports whether events between the two positions were lost.
func (l *life) lost(from, to position) bool {
	for _, g := range l.gaps {
		if from.before(g) && !to.before(g) {
			return true
		}
	}
	return false
}

// begin makes a row the newest one. If there is one for its generation it returns that.
func (l *life) begin(t *Task) *Task {
	for _, one := range l.tasks {
		if one.CreatedAt.Equal(t.CreatedAt) && one.Generation == t.Generation {
			l.newest = one
			return one
		}
	}
	t.Pool, t.ID = l.pool, l.id
	l.newest = t
	l.tasks = append(l.tasks, t)
	return t
}

// add applies an event that is later than all before. An event does not contain its
// generation nor when the task was made. These follow from the events before it.
func (l *life) add(e *task.Event) {
	pos := positionOf(e.Cursor)
	t := l.generation(e, pos)
	t.changed = true
	row := Event{
		Version: e.Version, At: e.At, State: name(e.State), Code: name(e.Code), Attempt: e.Attempt, Replica: name(e.Replica),
		Wait: e.Wait, Run: e.Run, Error: text(e.Error), Result: e.Result, ResultBytes: e.ResultBytes, Headers: e.Meta,
		Orphan: text(e.Orphan), Exported: e.Exported, pos: pos,
	}
	if e.Version == 1 || e.State.Terminal() {
		row.Kind, row.Queue, row.Group = name(e.Kind), name(e.Queue), name(e.Group)
	}
	l.events = append(l.events, ownedEvent{t, row})
	if t.pos.before(pos) {
		t.pos = pos
	}
	l.addAttempt(t, e)
	if e.Version <= t.Version {
		return // older, repeated, or about the soft timeout: the newest version stays
	}
	t.Complete = t.Complete && e.Version == t.Version+1
	set(t, e)
}

// generation returns the row that an event belongs to, and makes it if it begins with
// this event.
func (l *life) generation(e *task.Event, pos position) *Task {
	t := l.newest
	if t == nil {
		return l.unseen(e)
	}
	if e.Version == 1 {
		first := Task{CreatedAt: e.At, CreatedKnown: true, Complete: true}
		switch {
		case !t.CreatedAt.Equal(e.At) || t.Generation > 0:
			return l.begin(&first)
		case t.RecordVersion == 0: // made in the millisecond in which the other task with this id was made
			first.Pool, first.ID, first.key = t.Pool, t.ID, t.key
			*t = first
		}
		return t
	}
	lost := l.lost(t.pos, pos)
	if lost && e.Version <= t.Version && e.Code != task.CodeSlow {
		return l.unseen(e) // another task with this id; its first events were lost
	}
	retried := e.State == task.Waiting && e.Code == "" && e.Attempt == 0
	if e.Version > t.Version && t.State.Terminal() && (retried || lost) {
		next := &Task{CreatedAt: t.CreatedAt, CreatedKnown: t.CreatedKnown, Generation: t.Generation + 1,
			Kind: t.Kind, Queue: t.Queue, Group: t.Group, Complete: t.Complete && e.Version == t.Version+1}
		next.Version = e.Version - 1
		return l.begin(next)
	}
	return t
}

// unseen begins a task whose first events the archive does not have, unless e is its
// first event.
func (l *life) unseen(e *task.Event) *Task {
	return l.begin(&Task{CreatedAt: e.At, CreatedKnown: e.Version == 1, Complete: true})
}

// set sets the fields of a row from a newer event.
func set(t *Task, e *task.Event) {
	t.Version, t.State = e.Version, name(e.State)
	if e.Kind != "" {
		t.Kind, t.Queue = name(e.Kind), name(e.Queue)
	}
	if e.Group != "" {
		t.Group = name(e.Group)
	}
	if e.Attempt > 0 {
		t.Attempt = e.Attempt
	}
	if e.Replica != "" {
		t.Replica = name(e.Replica)
	}
	if e.State == task.Running {
		t.StartedAt, t.Wait = e.At, e.Wait
	}
	if e.Code != "" {
		t.Code, t.Error, t.Run = name(e.Code), text(e.Error), e.Run
	}
	known := t.RecordVersion > 0 // then the trace headers of the row are those of the record
	trace := withTrace(nil, t.Headers)
	if !known {
		trace = nil
	}
	t.EndedAt, t.Result, t.ResultBytes, t.Headers, t.Orphan, t.Exported = time.Time{}, nil, 0, trace, "", false
	if !e.State.Terminal() {
		return
	}
	t.EndedAt, t.Result, t.ResultBytes = e.At, e.Result, e.ResultBytes
	t.Headers, t.Orphan, t.Exported = e.Meta, text(e.Orphan), e.Exported
	if known {
		t.Headers = withTrace(e.Meta, trace)
	}
}

// addAttempt adds what an event says about an attempt.
func (l *life) addAttempt(t *Task, e *task.Event) {
	if e.Attempt == 0 || e.Replica == "" {
		return
	}
	a := l.attempt(t, e.Attempt)
	switch {
	case e.Code == task.CodeSlow:
		a.SlowAt = e.At
	case e.Code == "":
		a.StartedAt, a.Wait = e.At, e.Wait
	default:
		a.EndedAt, a.Run, a.Code, a.Error = e.At, e.Run, name(e.Code), text(e.Error)
		if a.StartedAt.IsZero() {
			a.StartedAt = e.At.Add(-e.Run)
		}
	}
	a.Replica = name(e.Replica)
}

func (l *life) attempt(t *Task, n int64) *Attempt {
	k := attemptKey{t, n}
	if l.attempts[k] == nil {
		l.attempts[k] = &Attempt{Attempt: n}
	}
	return l.attempts[k]
}
