package pool

import (
	"context"
	"fmt"
)

// Subscribe calls fn for the events of all tasks, until ctx ends. All that subscribe
// under the same group, in any process, share them: each event goes to one, and, at
// least once, to one whose fn returns nil. The first Subscribe makes the group, which
// begins with the events after that. From then on the group keeps its position, also
// while nothing is subscribed.
//
// fn is called for one event after the other. If it returns an error or panics, the
// error is logged and the next call waits a moment. The event is delivered again
// after Config.Redeliver, to any consumer of the group, until fn takes it. So are the
// events of a process that died. An entry of the stream holds the events of up to 50
// tasks that changed together and is delivered again as a whole, with those that
// were taken. An event for which fn needs longer than Redeliver may meanwhile be
// delivered to another consumer. Event.Version shows repeats, and events that
// overtake a failed one of the same task. An event that could not be read in full has
// Event.Broken set; an entry that names no task at all is logged and skipped.
//
// A group that falls behind the trimming of the stream (Config.MaxEvents,
// EventAge) loses events: Config.OnTrimmed and the log say so. The log warns of a group
// with more unread events than half of what the pool keeps; see also SubscriptionLag.
//
// It returns nil when ctx has ended. Outages of the store are waited for and
// logged; an error of its first answer is returned, and so is ErrSchema.
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

// SubscriptionLag is how far a group of Subscribe or OnFinish is behind. One that
// does not exist is not.
func (p *Pool) SubscriptionLag(ctx context.Context, group string) (lag Lag, err error) {
	if err = checkName("group", group); err == nil {
		lag, err = p.store.SubscriptionLag(ctx, group)
	}
	if err != nil {
		return Lag{}, fmt.Errorf("group %s: %w", group, err)
	}
	return lag, nil
}
