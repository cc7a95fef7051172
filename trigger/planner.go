package trigger

import (
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Planner decides what replicas do with triggers that are due. It is safe for concurrent
// use.
type Planner struct {
	calendars map[string]Calendar

	mu    sync.Mutex
	plans map[string]planned // by name
}

type planned struct {
	definition string
	anchor     time.Time
	plan       *Plan
	err        error
}

// maxPlans is how many plans a planner keeps.
const maxPlans = 20_000

// NewPlanner returns a planner that knows the calendars.
func NewPlanner(calendars map[string]Calendar) *Planner {
	return &Planner{calendars: calendars, plans: map[string]planned{}}
}

// Fire decides what to do at now with a trigger that is due. It fails if the definition
// cannot be computed here, for example because a calendar is missing.
func (p *Planner) Fire(t task.StoredTrigger, now time.Time) (task.TriggerFiring, error) {
	plan, err := p.planOf(t)
	if err != nil {
		return task.TriggerFiring{}, err
	}
	return plan.Fire(t, now), nil
}

func (p *Planner) planOf(t task.StoredTrigger) (*Plan, error) {
	p.mu.Lock()
	known, ok := p.plans[t.Name]
	p.mu.Unlock()
	if ok && known.definition == t.Definition && known.anchor.Equal(t.Anchor) {
		return known.plan, known.err
	}
	plan, err := p.Plan(t)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.plans) >= maxPlans {
		clear(p.plans)
	}
	p.plans[t.Name] = planned{t.Definition, t.Anchor, plan, err}
	return plan, err
}

// CalendarEnds returns the last day of the data of each calendar whose data ends; nil for none.
func (p *Planner) CalendarEnds() map[string]time.Time {
	var ends map[string]time.Time
	for name, c := range p.calendars {
		if c, ok := c.(interface{ Until() time.Time }); ok && !c.Until().IsZero() {
			if ends == nil {
				ends = map[string]time.Time{}
			}
			ends[name] = c.Until()
		}
	}
	return ends
}

// Plan returns the plan of a trigger that was read.
func (p *Planner) Plan(t task.StoredTrigger) (*Plan, error) {
	def, err := Decode([]byte(t.Definition))
	if err != nil {
		return nil, err
	}
	return p.New(def, t.Anchor)
}

// New returns the plan of a definition.
func (p *Planner) New(def *Definition, anchor time.Time) (*Plan, error) {
	return NewPlan(def, anchor, p.calendars)
}
