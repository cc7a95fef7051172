package task

import "time"

// Reject is an inbox entry that could not become a task.
type Reject struct {
	ID     string    // its position among the rejected entries, such as "1700000000000-0"
	At     time.Time // when it was rejected
	Code   string    // "invalid", "duplicate", "queue_full" or "limit_reached"
	Reason string    // everything that is wrong with the entry, one line
	Task   string    // for "duplicate": the id of the task that has the id or the unique key
	Bytes  int       // the length of the entry
	Entry  string    // at most its first 16 KiB
}

// Cut reports whether Entry is only the beginning of the entry.
func (r *Reject) Cut() bool { return r.Bytes != len(r.Entry) }
