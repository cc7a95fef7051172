package record

import (
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Pool is a pool in JSON output, either with its counts or with an error.
type Pool struct {
	Pool string `json:"pool"`
	*Counts
	Error string `json:"error,omitempty"` // why the counts could not be read
}

// Counts are the numbers of a Pool.
type Counts struct {
	Scheduled int  `json:"scheduled"`
	Waiting   int  `json:"waiting"`
	Running   int  `json:"running"`
	Inbox     int  `json:"inbox"`
	Replicas  int  `json:"replicas"`
	Paused    bool `json:"paused"`
}

// OfPool returns the record of a pool, with the error if its counts could not be read.
func OfPool(name string, s task.Stats, err error) Pool {
	if err != nil {
		return Pool{Pool: name, Error: terminal.TidyError(err.Error())}
	}
	return Pool{Pool: name, Counts: &Counts{
		Scheduled: s.Scheduled, Waiting: s.Waiting, Running: s.Running, Inbox: s.Inbox, Replicas: s.Replicas, Paused: s.Paused}}
}

// Stats is a pool at one instant in JSON output.
type Stats struct {
	Pool       string               `json:"pool"`
	Queues     []Queue              `json:"queues"`
	Scheduled  int                  `json:"scheduled"`
	Hold       int                  `json:"hold"` // of the scheduled tasks
	Waiting    int                  `json:"waiting"`
	Running    int                  `json:"running"`
	Outside    int                  `json:"outside"`
	Kept       map[task.State]int   `json:"kept"`
	Enqueued   int64                `json:"enqueued"`
	Retried    int64                `json:"retried"`
	Ended      map[task.State]int64 `json:"ended"`
	LeasesLost int64                `json:"leases_lost"`
	Inbox      int                  `json:"inbox"`
	Rejected   int                  `json:"rejected"`
	Events     int                  `json:"events"`
	Replicas   int                  `json:"replicas"`
	Limit      int                  `json:"limit"`
	Paused     bool                 `json:"paused"`
	Archives   []Archive            `json:"archives"`
}

// OfStats returns the record of a pool. The caller fills in Archives.
func OfStats(name string, s task.Stats) Stats {
	r := Stats{
		Pool: name, Queues: []Queue{}, Scheduled: s.Scheduled, Hold: s.Hold, Waiting: s.Waiting, Running: s.Running, Outside: s.Outside,
		Kept: map[task.State]int{}, Enqueued: s.Enqueued, Retried: s.Retried, Ended: map[task.State]int64{},
		LeasesLost: s.LeasesLost, Inbox: s.Inbox, Rejected: s.Rejected, Events: s.Events, Replicas: s.Replicas,
		Limit: s.Limit, Paused: s.Paused,
	}
	for _, q := range s.Queues {
		r.Queues = append(r.Queues, OfQueue(q))
	}
	for _, state := range pool.EndedStates() {
		r.Kept[state], r.Ended[state] = s.Kept[state], s.Ended[state]
	}
	return r
}
