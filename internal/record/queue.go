package record

import (
	"math"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// Queue is a queue in JSON output.
type Queue struct {
	Name    string `json:"name"`
	Waiting int    `json:"waiting"`
	Running int    `json:"running"`
	Limit   int    `json:"limit"`
	MaxLen  int    `json:"max_len"`
	Paused  bool   `json:"paused"`

	GroupsFull bool `json:"groups_full"`

	Rate      string `json:"rate,omitempty"`
	RateUntil string `json:"rate_until,omitempty"` // when the next task may start, if tasks wait only for the rate
	AgingMS   int64  `json:"aging_ms,omitempty"`

	Lines     []task.LineInfo `json:"lines,omitempty"` // of tasks with labels
	MoreLines int             `json:"more_lines,omitempty"`
}

// OfQueue returns the record of a queue.
func OfQueue(q task.QueueInfo) Queue {
	return Queue{
		Name: q.Name, Waiting: q.Waiting, Running: q.Running, Limit: q.Limit, MaxLen: q.MaxLen, Paused: q.Paused,
		GroupsFull: q.GroupsFull, Rate: q.Rate.String(), RateUntil: Instant(q.RateUntil), AgingMS: q.Aging.Milliseconds(),
		Lines: q.Lines, MoreLines: q.MoreLines,
	}
}

// QueueLoad is a queue with its load in JSON output.
type QueueLoad struct {
	Queue
	OldestWaitMS int64   `json:"oldest_wait_ms"`
	InPerSecond  float64 `json:"in_per_s"`
	OutPerSecond float64 `json:"out_per_s"`
}

// OfQueueLoad returns the record of a queue with its load.
func OfQueueLoad(q pool.QueueLoad) QueueLoad {
	return QueueLoad{
		Queue: OfQueue(q.QueueInfo), OldestWaitMS: q.OldestWait.Milliseconds(),
		InPerSecond: math.Round(q.In*1000) / 1000, OutPerSecond: math.Round(q.Out*1000) / 1000,
	}
}

// Aging is the aging of a queue in JSON output.
type Aging struct {
	Queue   string `json:"queue"`
	AgingMS int64  `json:"aging_ms"` // 0 is strict priority
}
