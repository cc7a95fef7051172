package pool

import (
	"context"
	"time"
)

// QueueLoad is a queue with how long its tasks wait and its rates.
type QueueLoad struct {
	QueueInfo
	// OldestWait is how long the oldest waiting task has been waiting; 0 if none waits.
	// Tasks that only the limit of their group blocks are not counted.
	OldestWait time.Duration
	// In and Out are the tasks per second that were made and that ended, averaged over
	// the last RateWindow.
	In, Out float64
}

// RateWindow is the time over which QueueLoad averages its rates.
const RateWindow = time.Minute

// Load reads the load of every queue that has a setting or ever had a task, by name.
func (p *Pool) Load(ctx context.Context) ([]QueueLoad, error) {
	queues, err := p.Queues(ctx)
	if err != nil {
		return nil, err
	}
	return p.LoadOf(ctx, queues)
}

// LoadOf reads the load of queues that Stats or Queues returned, in their order. Their
// counts stay as they are, so that they agree with the Stats.
func (p *Pool) LoadOf(ctx context.Context, queues []QueueInfo) ([]QueueLoad, error) {
	var waiting []string
	for _, q := range queues {
		if q.Waiting > 0 {
			waiting = append(waiting, q.Name)
		}
	}
	oldest, now, err := p.store.WaitingSince(ctx, waiting...)
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
