package record

import (
	"context"

	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Limit is a limit in JSON output.
type Limit struct {
	Scope   task.Scope `json:"scope"`
	Name    string     `json:"name,omitempty"`
	Limit   int        `json:"limit"`         // 0 means no limit
	Own     bool       `json:"own,omitempty"` // of a group: the limit is not the default
	Running int        `json:"running"`
	Held    int        `json:"held,omitempty"`
}

// Limits reads the limits of the scope, "" for all. In a scope with names, it reads the limit
// with this name.
func Limits(ctx context.Context, p *pool.Pool, scope task.Scope, name string) ([]Limit, error) {
	var limits []Limit
	of := func(s task.Scope) bool { return scope == "" || scope == s }
	if of(task.PoolScope) || of(task.QueueScope) {
		s, err := p.Stats(ctx)
		if err != nil {
			return nil, err
		}
		if of(task.PoolScope) {
			limits = append(limits, Limit{Scope: task.PoolScope, Name: p.Name(), Limit: s.Limit, Running: s.Running})
		}
		for _, q := range s.Queues {
			if of(task.QueueScope) && (name == "" || name == q.Name) {
				limits = append(limits, Limit{Scope: task.QueueScope, Name: q.Name, Limit: q.Limit, Running: q.Running})
			}
		}
		if scope == task.QueueScope && len(limits) == 0 {
			if err := CheckServed(ctx, p, name); err != nil {
				return nil, err
			}
			limits = append(limits, Limit{Scope: task.QueueScope, Name: name})
		}
	}
	if of(task.GroupsScope) || of(task.GroupScope) {
		var named []string
		if name != "" {
			named = []string{name}
		}
		byDefault, groups, err := p.Groups(ctx, named...)
		if err != nil {
			return nil, err
		}
		if of(task.GroupsScope) {
			limits = append(limits, Limit{Scope: task.GroupsScope, Limit: byDefault})
		}
		for _, g := range groups {
			if of(task.GroupScope) {
				limits = append(limits, Limit{Scope: task.GroupScope, Name: g.Name, Limit: g.Limit, Own: g.Own, Running: g.Running, Held: g.Held})
			}
		}
	}
	return limits, nil
}

// Rate is a rate in JSON output.
type Rate struct {
	Scope     task.Scope `json:"scope"`
	Name      string     `json:"name,omitempty"`
	Rate      string     `json:"rate"` // "none" for none
	Own       bool       `json:"own,omitempty"`
	RateUntil string     `json:"rate_until,omitempty"` // when the next task may start, if tasks wait for the rate
	Held      int        `json:"held,omitempty"`       // of a group: waiting tasks that the limit or the rate blocks
}

// Rates reads the rates of the scope, "" for all. A name selects one.
func Rates(ctx context.Context, p *pool.Pool, scope task.Scope, name string) ([]Rate, error) {
	var rates []Rate
	if scope == "" || scope == task.QueueScope {
		s, err := p.Stats(ctx)
		if err != nil {
			return nil, err
		}
		known := false
		for _, q := range s.Queues {
			if q.Name == name || name == "" && q.Rate.Limits() {
				known = true
				rates = append(rates, Rate{Scope: task.QueueScope, Name: q.Name, Rate: terminal.RateLimitText(q.Rate), RateUntil: Instant(q.RateUntil)})
			}
		}
		if name != "" && !known {
			if err := CheckServed(ctx, p, name); err != nil {
				return nil, err
			}
			rates = append(rates, Rate{Scope: task.QueueScope, Name: name, Rate: terminal.RateLimitText(task.Rate{})})
		}
	}
	if scope == task.QueueScope {
		return rates, nil
	}
	byDefault, err := p.DefaultRate(ctx)
	if err != nil {
		return nil, err
	}
	if scope == task.GroupsScope || scope == "" && byDefault.Limits() {
		rates = append(rates, Rate{Scope: task.GroupsScope, Rate: terminal.RateLimitText(byDefault)})
	}
	if scope == task.GroupsScope {
		return rates, nil
	}
	var named []string
	if name != "" {
		named = []string{name}
	}
	_, groups, err := p.Groups(ctx, named...)
	for _, g := range groups {
		if g.OwnRate || name != "" {
			rates = append(rates, Rate{
				Scope: task.GroupScope, Name: g.Name, Rate: terminal.RateLimitText(g.Rate), Own: g.OwnRate,
				RateUntil: Instant(g.RateUntil), Held: g.Held,
			})
		}
	}
	return rates, err
}

// Served returns the queues that live replicas serve, of each up to 250. Until such a queue has a
// setting or a task, it is not among those of Pool.Queues.
func Served(ctx context.Context, p *pool.Pool) (map[string]bool, error) {
	replicas, err := p.Replicas(ctx)
	queues := map[string]bool{}
	for _, r := range replicas {
		for q := range r.Queues {
			queues[q] = true
		}
	}
	return queues, err
}

// CheckServed returns a NoQueueError unless a live replica serves the queue.
func CheckServed(ctx context.Context, p *pool.Pool, queue string) error {
	served, err := Served(ctx, p)
	if err == nil && !served[queue] {
		err = &NoQueueError{queue}
	}
	return err
}

// NoQueueError is returned when the pool has no queue with the name. It wraps task.ErrNoQueue.
type NoQueueError struct{ Name string }

// Error names the queue.
func (e *NoQueueError) Error() string { return "the pool has no queue " + terminal.Printable(e.Name) }

// Unwrap returns task.ErrNoQueue.
func (e *NoQueueError) Unwrap() error { return task.ErrNoQueue }
