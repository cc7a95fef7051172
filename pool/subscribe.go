package pool

import (
	"context"
	"fmt"
)

// Subscribe calls fn for the events of all tasks, until ctx ends. Everybody who
// subscribes under the same group, in any process, gets a share of them: each
// event goes to one, and, at least once, to one whose fn returns nil. A group is
// made by its first Subscribe and begins with the events after that; from then
// on it keeps its place, also while nobody is subscribed.
//
// fn is called for one event after the other. Where it returns an error or
// panics, that is logged, the next call waits a moment, and the event is
// delivered again after Config.Redeliver, to any consumer of the group, as often
// as it takes. So it is where the process dies. An fn that takes longer than
// Redeliver for one event may see it delivered to another consumer meanwhile.
// Repeats and events that overtake a failed one of the same task are told by
// Event.Version. An event that could not be read in full is delivered with
// Event.Broken set; an entry that names no task at all is logged and passed over.
//
// A group that falls behind the trimming of the stream (Config.MaxEvents,
// EventAge) loses events: Config.OnTrimmed and the log say so. A group with
// more unread than half of what the pool keeps is warned about in the log; see
// also SubscriptionLag.
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
