package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// Queues reads every queue that has a setting or ever had a task, by name.
func (p *Pool) Queues(ctx context.Context) ([]QueueInfo, error) {
	s, err := p.store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	return s.Queues, nil
}

// Stats reads the counts of the whole pool at one instant.
func (p *Pool) Stats(ctx context.Context) (Stats, error) {
	return p.store.Stats(ctx)
}

// Groups reads the default limit of groups, 0 for none, and the named groups, by name.
// Without names it returns the groups that have a limit or a rate of their own or are
// exempt.
func (p *Pool) Groups(ctx context.Context, names ...string) (byDefault int, groups []GroupInfo, err error) {
	for _, name := range names {
		if err := checkName("group", name); err != nil {
			return 0, nil, fmt.Errorf("groups: %w", err)
		}
	}
	return p.store.Groups(ctx, names...)
}

// DefaultRate reads the rate of each group without a rate of its own, the zero Rate for none.
func (p *Pool) DefaultRate(ctx context.Context) (Rate, error) { return p.store.DefaultRate(ctx) }

// Pause keeps the tasks of a queue from starting, or those of every queue if queue is
// "". None starts after Pause has returned. Running tasks are not affected. A queue
// that the pool does not know is created: see ForgetQueue.
func (p *Pool) Pause(ctx context.Context, queue string) error {
	return p.pause(ctx, "pause", queue, true)
}

// Resume ends the Pause of the same queue, or of the whole pool if queue is "". The
// tasks of a queue start if neither the queue nor the pool is paused. A queue that the
// pool does not know is created.
func (p *Pool) Resume(ctx context.Context, queue string) error {
	return p.pause(ctx, "resume", queue, false)
}

func (p *Pool) pause(ctx context.Context, verb, queue string, on bool) error {
	s := task.Setting{Scope: PoolScope, Pause: &on}
	if queue != "" {
		if err := checkName("queue", queue); err != nil {
			return fmt.Errorf("%s: %w", verb, err)
		}
		s.Scope, s.Name = QueueScope, queue
	}
	return p.store.Configure(ctx, s)
}

// SetLimit changes how many tasks run at once over all replicas. name is the queue
// (QueueScope) or the group (GroupScope). It is empty for the pool (PoolScope) and for
// groups without a limit of their own (GroupsScope).
//
// NoLimit removes the limit; a group is then exempt from the limit of GroupsScope. 0
// removes the setting; a group then has the limit of GroupsScope, and for the other
// scopes 0 is the same as NoLimit. If a limit is lowered, tasks that already run beyond
// it run to their end. A queue that the pool does not know is created: see ForgetQueue.
func (p *Pool) SetLimit(ctx context.Context, scope Scope, name string, n int) error {
	var errs []error
	switch scope {
	case QueueScope, GroupScope:
		errs = append(errs, checkName(string(scope), name))
	case PoolScope, GroupsScope:
		if name != "" {
			errs = append(errs, &FieldError{Field: "name", Msg: fmt.Sprintf("must be empty for the scope %s, not %q", scope, name)})
		}
	default:
		errs = append(errs, &FieldError{Field: "scope", Msg: fmt.Sprintf("must be pool, queue, group or groups, not %q", scope)})
	}
	if n < 0 && n != NoLimit {
		errs = append(errs, &FieldError{Field: "limit", Msg: fmt.Sprintf("must be at least 1, or NoLimit (%d), or 0 to remove the setting, not %d", NoLimit, n)})
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set limit: %w", err)
	}
	return p.store.Configure(ctx, task.Setting{Scope: scope, Name: name, Limit: &n})
}

// SetRate changes how many tasks of a queue (QueueScope) or of a group (GroupScope) start per
// time over all replicas, or those of each group without a rate of its own (GroupsScope, with
// an empty name). It holds from the next claim on.
//
// NoRate removes the rate; a group is then exempt from the rate of GroupsScope. The zero Rate
// removes the setting; a group then has the rate of GroupsScope, and for the other scopes it
// is the same as NoRate. A queue that the pool does not know is created: see ForgetQueue.
func (p *Pool) SetRate(ctx context.Context, scope Scope, name string, r Rate) error {
	var errs []error
	switch scope {
	case QueueScope, GroupScope:
		errs = append(errs, checkName(string(scope), name))
	case GroupsScope:
		if name != "" {
			errs = append(errs, &FieldError{Field: "name", Msg: fmt.Sprintf("must be empty for the scope %s, not %q", scope, name)})
		}
	default:
		errs = append(errs, &FieldError{Field: "scope", Msg: fmt.Sprintf("must be queue, group or groups, not %q", scope)})
	}
	if scope == QueueScope && strings.HasPrefix(name, task.ExportQueue) {
		errs = append(errs, &FieldError{Field: "queue", Msg: "must not be a queue of saves: a save is no start of a task"})
	}
	if err := r.Check(); err != nil {
		errs = append(errs, &FieldError{Field: "rate", Msg: err.Error()})
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set rate: %w", err)
	}
	return p.store.Configure(ctx, task.Setting{Scope: scope, Name: name, Rate: &r})
}

// SetAging lets waiting gain priority in a queue: a priority of one more is worth as much as
// waiting for the step. NoAging and 0 remove it: priority is then strict. It returns
// ErrQueueInUse if tasks wait or run in the queue and the step would change. A queue that the
// pool does not know is created.
func (p *Pool) SetAging(ctx context.Context, queue string, step time.Duration) error {
	errs := []error{checkName("queue", queue)}
	if err := task.CheckAging(step); err != nil {
		errs = append(errs, &FieldError{Field: "aging", Msg: err.Error()})
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("set aging: %w", err)
	}
	return p.store.Configure(ctx, task.Setting{Scope: QueueScope, Name: queue, Aging: &step})
}

// ForgetQueue removes a queue from the list that Queues reads, with its limit, cap, rate,
// aging and pause.
//
// It returns ErrQueueInUse if the queue has live tasks, if a replica on the list, even
// a silent one, serves it, or if the inbox has entries, which may be for it. It returns
// ErrNoQueue if the queue is not on the list. The next task that names the queue
// creates it again, without the settings. A task that is scheduled for the queue during
// the call creates it when it becomes waiting.
func (p *Pool) ForgetQueue(ctx context.Context, queue string) error {
	if err := checkName("queue", queue); err != nil {
		return fmt.Errorf("forget queue: %w", err)
	}
	err := p.store.ForgetQueue(ctx, queue)
	switch {
	case errors.Is(err, ErrQueueInUse), errors.Is(err, ErrNoQueue):
		return fmt.Errorf("forget queue %s: %w", queue, err)
	case err != nil:
		return fmt.Errorf("queue %s: %w", queue, err)
	}
	return nil
}

// Replicas lists the live replicas.
func (p *Pool) Replicas(ctx context.Context) ([]ReplicaInfo, error) {
	return p.store.Replicas(ctx)
}

// Hosts returns where replicas run, or ran until they left, by the replica that a task or an
// attempt names. It leaves out replicas of which that is not known: the store keeps the newest
// 10,000 that left in the last 30 days.
func (p *Pool) Hosts(ctx context.Context, replicas ...string) (map[string]Host, error) {
	return p.store.Hosts(ctx, replicas...)
}

// Check returns everything that keeps the store from working well: a server that cannot
// be reached, is too old, may evict keys, or refuses commands.
func (p *Pool) Check(ctx context.Context) error {
	return p.store.Check(ctx)
}
