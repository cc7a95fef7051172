package pool

import (
	"context"
	"fmt"
)

// Subscribe calls fn for the events of all tasks until ctx ends. All subscribers of the
// same group, in any process, share the events: each event is delivered to one of them,
// at least once, until fn has returned nil for it. The first Subscribe creates the
// group, which starts with the events after that. The group keeps its position while
// nothing is subscribed.
//
// fn is called for one event after the other. If it returns an error or panics, the
// error is logged and the next call is delayed. The event is delivered again after
// Config.Redeliver, to any consumer of the group. So are the events of a process that
// died. An entry of the stream holds the events of up to 50 tasks that changed together
// and is delivered again as a whole, with events that fn has accepted. If fn takes
// longer than Redeliver for an event, another consumer may get it meanwhile.
// Event.Version identifies repeated events, and events that overtake a failed one of
// the same task.
//
// An event that could not be read in full has Event.Broken set. An entry that names no
// task is logged and skipped. Events about triggers are skipped: Events yields them.
//
// If events are trimmed (Config.MaxEvents, EventAge) before the group has read them,
// they are lost: Config.OnTrimmed is called and an error is logged. A warning is logged
// when the group has more unread events than half of what the pool keeps; see also
// SubscriptionLag.
//
// Subscribe returns nil when ctx has ended. It returns an error of its first call to
// the store, and ErrSchema. During later outages of the store it waits and logs.
func (p *Pool) Subscribe(ctx context.Context, group string, fn func(ctx context.Context, e Event) error) error {
	err := checkName("group", group)
	if err == nil && fn == nil {
		err = &FieldError{Field: "fn", Msg: "must not be nil"}
	}
	s := p.subscription(group, fn)
	if err == nil {
		err = s.open(ctx)
	}
	if err == nil {
		err = s.run(ctx)
	}
	if err != nil && ended(ctx) == nil {
		return fmt.Errorf("subscribe %s: %w", group, err)
	}
	return nil
}

// SubscriptionLag returns how far a group of Subscribe or OnFinish is behind. For a
// group that does not exist it is the zero Lag, apart from MaxEvents.
func (p *Pool) SubscriptionLag(ctx context.Context, group string) (lag Lag, err error) {
	if err = checkName("group", group); err == nil {
		lag, err = lagOf(ctx, p.store, group)
	}
	if err != nil {
		return Lag{}, fmt.Errorf("group %s: %w", group, err)
	}
	return lag, nil
}

// SubscriptionLags returns how far each group of Subscribe or OnFinish is behind, by name.
func (p *Pool) SubscriptionLags(ctx context.Context) (map[string]Lag, error) {
	lags, _, err := p.store.SubscriptionLags(ctx)
	return lags, err
}

func lagOf(ctx context.Context, s EventStore, group string) (Lag, error) {
	lags, kept, err := s.SubscriptionLags(ctx)
	lag := lags[group]
	lag.MaxEvents = kept
	return lag, err
}
