package pool

import (
	"context"
	"fmt"
	"time"
)

// QueueLoad is a queue with what is asked first of one that is behind.
type QueueLoad struct {
	QueueInfo
	// OldestWait is how long the task that has waited longest in the line has done
	// so; 0 where none waits. Tasks behind the limit of their group are not counted.
	OldestWait time.Duration
	// In and Out are how many tasks per second were made and ended lately: within
	// RateWindow, or the time that the newest RateEvents events span where that is
	// shorter.
	In, Out float64
}

// What the rates of a QueueLoad are taken from.
const (
	RateWindow = time.Minute
	RateEvents = 1000
)

// Load reads every queue that has a setting or ever had a task, by name, with how long its
// tasks wait and how many come and go.
func (p *Pool) Load(ctx context.Context) ([]QueueLoad, error) {
	queues, err := p.Queues(ctx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(queues))
	for i, q := range queues {
		names[i] = q.Name
	}
	oldest, now, err := p.store.WaitingSince(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	events, err := p.store.RecentEvents(ctx, "", RateEvents)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	in, out := rates(events, now)
	loads := make([]QueueLoad, len(queues))
	for i, q := range queues {
		loads[i] = QueueLoad{QueueInfo: q, In: in[q.Name], Out: out[q.Name]}
		if since, ok := oldest[q.Name]; ok {
			loads[i].OldestWait = max(now.Sub(since), 0)
		}
	}
	return loads, nil
}

// rates counts by queue the tasks per second that were made and that ended.
// events are the newest, newest first.
func rates(events []Event, now time.Time) (in, out map[string]float64) {
	in, out = map[string]float64{}, map[string]float64{}
	span := RateWindow
	if len(events) == RateEvents {
		// Older ones were not read: the figures are of the time since the last of these.
		span = min(span, max(now.Sub(events[len(events)-1].At), 10*time.Millisecond))
	}
	for _, e := range events {
		if now.Sub(e.At) > span {
			break
		}
		if e.Version == 1 {
			in[e.Queue]++
		}
		if e.State.Terminal() {
			out[e.Queue]++
		}
	}
	for _, counts := range []map[string]float64{in, out} {
		for q := range counts {
			counts[q] /= span.Seconds()
		}
	}
	return in, out
}
