package trigger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/task"
	"github.com/ltsworker/ltsworker/trigger/schedule"
)

// One firing makes up to maxTasks tasks, with up to maxBytes of payloads; one always fits. A
// trigger with more planned times that have passed fires again at once.
const (
	maxTasks = 50
	maxBytes = 256 << 10
)

// Plan is a definition that can be computed.
type Plan struct {
	def     *Definition
	times   schedule.Schedule // nil for a fixed delay
	zone    *time.Location
	payload *payloadTemplate // nil for a constant payload
}

// NewPlan returns everything that is wrong with a definition, as joined FieldErrors.
// anchor is the instant from which a fixed rate without a start counts.
func NewPlan(def *Definition, anchor time.Time, calendars map[string]Calendar) (*Plan, error) {
	p := &Plan{def: def, zone: time.UTC}
	var errs []error
	if err := def.check(); err != nil {
		errs = append(errs, err)
	}
	add := func(field string, err error) {
		if err != nil {
			errs = append(errs, &task.FieldError{Field: field, Msg: err.Error()})
		}
	}
	var err error
	if def.Zone != "" {
		p.zone, err = loadZone(def.Zone)
		add("zone", err)
	}
	if p.zone == nil {
		p.zone = time.UTC
	}
	if def.PayloadTemplate != "" {
		p.payload, err = parsePayload(def.PayloadTemplate)
		add("payload_template", err)
	}
	field, times, err := def.schedule(p.zone, anchor)
	add(field, err)
	for _, c := range []struct {
		field, name string
		not         bool
	}{{"calendar", def.Calendar, false}, {"except_calendar", def.ExceptCalendar, true}} {
		if c.name == "" {
			continue
		}
		days, err := findCalendar(calendars, c.name)
		add(c.field, err)
		if times != nil {
			times = schedule.On{Schedule: times, Calendar: days, Not: c.not, Zone: p.zone}
		}
	}
	if times != nil && (!def.Start.IsZero() || !def.End.IsZero()) {
		times = schedule.Between{Schedule: times, From: def.Start, To: def.End}
	}
	p.times = times
	return p, errors.Join(errs...)
}

// schedule returns the schedule of a definition without calendars and bounds, nil for a
// fixed delay, and the name of its field.
func (d *Definition) schedule(zone *time.Location, anchor time.Time) (field string, s schedule.Schedule, err error) {
	if !d.Start.IsZero() {
		anchor = d.Start
	}
	switch {
	case d.Cron != "":
		c, err := schedule.ParseCron(d.Cron, zone, d.Name)
		if err != nil {
			return "cron", nil, err
		}
		return "cron", c, nil
	case d.Every != 0:
		e, err := schedule.NewEvery(d.Every, anchor)
		if err != nil {
			return "every", nil, err
		}
		return "every", e, nil
	case d.Daily != nil:
		return d.Daily.schedule(zone)
	case !d.At.IsZero():
		return "at", schedule.Once(d.At), nil
	}
	return "", nil, nil
}

func (d *Daily) schedule(zone *time.Location) (field string, s schedule.Schedule, err error) {
	from, err := schedule.ParseClock(d.From)
	if err != nil {
		return "daily.from", nil, err
	}
	to, err := schedule.ParseClock(d.To)
	if err != nil {
		return "daily.to", nil, err
	}
	daily, err := schedule.NewDaily(schedule.Daily{From: from, To: to, Every: d.Every, Days: d.Days}, zone)
	if err != nil {
		return "daily", nil, err
	}
	return "daily", daily, nil
}

// Next returns the first planned time after t; zero if there is none. It is zero for a
// fixed delay, whose planned times depend on the ends of its tasks.
func (p *Plan) Next(t time.Time) time.Time {
	if p.times == nil {
		return time.Time{}
	}
	return p.times.Next(t)
}

// First returns the planned time of a trigger that is set or resumed now. overdue is the
// planned time that the trigger had before if it has not been handled yet: a time from it
// on is not lost.
func (p *Plan) First(now, overdue time.Time) time.Time {
	if p.times == nil {
		first := now.Add(p.def.After)
		if p.def.Start.After(first) {
			first = p.def.Start
		}
		return p.bounded(first)
	}
	if !overdue.IsZero() && !overdue.After(now) {
		now = overdue.Add(-1)
	}
	return p.times.Next(now)
}

// bounded returns a planned time of a fixed delay, zero if it is not before the end.
func (p *Plan) bounded(t time.Time) time.Time {
	if end := p.def.End; !end.IsZero() && !t.Before(end) {
		return time.Time{}
	}
	return t
}

// Due returns when a planned time is due: the jitter later. It is zero for the zero time.
func (p *Plan) Due(planned time.Time) time.Time {
	if planned.IsZero() || p.def.Jitter < time.Millisecond {
		return planned
	}
	return planned.Add(rand.N(p.def.Jitter).Truncate(time.Millisecond))
}

// Fire decides what to do at now with a trigger that is due.
func (p *Plan) Fire(read task.StoredTrigger, now time.Time) task.TriggerFiring {
	f := task.TriggerFiring{Read: read, Op: task.FireTrigger, After: p.def.After, Overlap: string(p.def.overlap()), Spec: p.def.Task}
	switch {
	case !read.Pending.IsZero() && (read.Due.IsZero() || read.Due.After(now)):
		f.Op = task.FirePending
		f.Tasks = p.tasks(read.Pending)
	case read.Planned.IsZero():
		f.Op = task.CheckTrigger
	case p.times == nil:
		if p.bounded(read.Planned).IsZero() {
			break
		}
		f.Tasks = p.tasks(read.Planned)
	default:
		p.fire(&f, now)
	}
	return f
}

// fire decides about all planned times up to now.
func (p *Plan) fire(f *task.TriggerFiring, now time.Time) {
	planned := f.Read.Planned
	late := now.Sub(f.Read.Due)
	most := max(1, min(maxTasks, maxBytes/max(1, len(p.Payload(planned)))))
	if late <= p.def.grace() {
		times := []time.Time{planned}
		f.Next = p.times.Next(planned)
		for len(times) < most && p.due(f.Next, now) {
			times = append(times, f.Next)
			f.Next = p.times.Next(f.Next)
		}
		f.Tasks = p.tasks(times...)
		// The jitter may have delayed this firing beyond the next one, which is not late then.
		if f.Due = p.Due(f.Next); p.def.Jitter > 0 && !f.Due.IsZero() && f.Due.Before(now) {
			f.Due = now
		}
		return
	}

	// The trigger has misfired: the rule decides about all planned times up to now.
	last := p.latest(planned, now)
	f.Next = p.times.Next(last)
	f.First, f.Last = planned, last
	f.Why = fmt.Sprintf("no replica fired it in time: it was %v late", late.Round(time.Second))
	oldest := now.Add(-p.def.catchUp())
	switch {
	case p.def.Misfire == MisfireSkip || last.Before(oldest):
	case p.def.Misfire == MisfireAll:
		times := p.newest(planned, last, oldest, p.def.misfireMax())
		if f.Last = p.before(planned, times[0]); f.Last.IsZero() {
			f.First = time.Time{}
		}
		if len(times) > most {
			f.Next = times[most]
			times = times[:most]
		}
		f.Tasks = p.tasks(times...)
	default:
		if f.Last = p.before(planned, last); f.Last.IsZero() {
			f.First = time.Time{}
		}
		f.Tasks = p.tasks(last)
	}
	f.Due = p.Due(f.Next)
}

// due reports whether a planned time has passed. A time with a jitter is left to the next
// firing, which knows the jitter.
func (p *Plan) due(planned, now time.Time) bool {
	return p.def.Jitter == 0 && !planned.IsZero() && !planned.After(now)
}

// latest returns the latest planned time from a planned time to now.
func (p *Plan) latest(planned, now time.Time) time.Time {
	// The next time after planned is not after now, that after high is. Each step halves
	// what is between them.
	high := now
	for {
		next := p.times.Next(planned)
		if next.IsZero() || next.After(now) {
			return planned
		}
		planned = next
		for middle := planned.Add(high.Sub(planned) / 2); ; middle = planned.Add(high.Sub(planned) / 2) {
			if high.Sub(planned) < 2*time.Millisecond {
				break
			}
			next := p.times.Next(middle)
			if next.IsZero() || next.After(now) {
				high = middle
				continue
			}
			planned = next
		}
	}
}

// before returns the latest planned time from first on that is before t; zero for none.
func (p *Plan) before(first, t time.Time) time.Time {
	if !first.Before(t) {
		return time.Time{}
	}
	return p.latest(first, t.Add(-1))
}

// newest returns up to most planned times from first to last, the newest ones, in their
// order. None is before oldest but last.
func (p *Plan) newest(first, last, oldest time.Time, most int) []time.Time {
	times := []time.Time{last}
	for len(times) < most {
		t := p.before(first, times[len(times)-1])
		if t.IsZero() || t.Before(oldest) {
			break
		}
		times = append(times, t)
	}
	slices.Reverse(times)
	return times
}

// tasks returns the tasks of planned times.
func (p *Plan) tasks(times ...time.Time) []task.PlannedTask {
	tasks := make([]task.PlannedTask, len(times))
	for i, t := range times {
		tasks[i] = task.PlannedTask{Planned: t, Payload: p.Payload(t)}
	}
	return tasks
}

// Payload returns the payload of the task of a planned time.
func (p *Plan) Payload(planned time.Time) []byte {
	if p.payload == nil {
		return p.def.Task.Payload
	}
	return p.payload.fill(p.def.Name, planned.In(p.zone))
}

// Run returns the firing that makes a task now, besides the schedule.
func (p *Plan) Run(read task.StoredTrigger, now time.Time) task.TriggerFiring {
	return task.TriggerFiring{
		Read: read, Op: task.RunTriggerOnce, After: p.def.After, Overlap: string(p.def.overlap()), Spec: p.def.Task, Tasks: p.tasks(now),
	}
}

// Following returns up to n planned times, in the zone of the trigger: the given one and
// those after it.
func (p *Plan) Following(planned time.Time, n int) []time.Time {
	var times []time.Time
	for len(times) < n && !planned.IsZero() {
		times = append(times, planned.In(p.zone))
		planned = p.Next(planned)
	}
	return times
}
