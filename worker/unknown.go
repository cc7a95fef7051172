package worker

import "time"

// A replica may meet thousands of tasks of a kind that it does not know, each
// again and again while another replica that knows the kind is busy. So a kind is
// logged once in unknownAgain, and at most mostUnknown of them: whoever enqueues
// may make up kinds.
const (
	unknownAgain = time.Minute
	mostUnknown  = 100
)

// unknownKinds is when kinds without a handler were logged. Only the pump uses it.
type unknownKinds map[string]time.Time

// tellUnknown logs tasks that were given back for want of a handler. Whether
// another replica has one, only the store knows.
func (r *Replica) tellUnknown(tasks []*Task, now time.Time) {
	for _, t := range tasks {
		if r.unknown.due(t.Kind, now) {
			r.log.Warn("a task's kind has no handler here; the task goes to a replica that has one, or fails",
				"task", t.ID, "kind", t.Kind, "queue", t.Queue)
		}
	}
}

// due reports whether the kind is to be logged now, and takes it for logged then.
func (u unknownKinds) due(kind string, now time.Time) bool {
	if at, ok := u[kind]; ok && now.Sub(at) < unknownAgain {
		return false
	}
	if len(u) >= mostUnknown {
		for k, at := range u {
			if now.Sub(at) >= unknownAgain {
				delete(u, k)
			}
		}
	}
	if len(u) >= mostUnknown {
		return false
	}
	u[kind] = now
	return true
}
