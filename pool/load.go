package pool

import (
	"context"
	"time"
)

// QueueLoad is a queue with what is asked first of one that is behind.
type QueueLoad struct {
	QueueInfo
	// OldestWait is how long the task that was due first has been waiting; 0 if none
	// waits. Tasks that only the limit of their group holds back are not counted.
	OldestWait time.Duration
	// In and Out are how many tasks per second were made and ended, on average over
	// the last RateWindow.
	In, Out float64
}

// RateWindow is the time that the rates of a QueueLoad are averages over.
const RateWindow = time.Minute

// Load reads every queue that has a setting or ever had a task, by name, with how
// long its tasks wait and how many come and go.
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
		return nil, err
	}
	rates, err := p.store.Rates(ctx, RateWindow)
	if err != nil {
		return nil, err
	}
	loads := make([]QueueLoad, len(queues))
	for i, q := range queues {
		rate := rates[q.Name]
		loads[i] = QueueLoad{QueueInfo: q, In: rate.In, Out: rate.Out}
		if since, ok := oldest[q.Name]; ok {
			loads[i].OldestWait = max(now.Sub(since), 0)
		}
	}
	return loads, nil
}
