package worker

import (
	"log/slog"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A replica may meet thousands of tasks of a kind that it does not know, each
// again and again while another replica that knows the kind is busy. So a kind is
// logged once in unknownAgain, and at most mostUnknown of them: a producer may make
// up kinds.
const (
	unknownAgain = time.Minute
	mostUnknown  = 100
)

// unknownKinds holds when kinds without a handler were logged.
type unknownKinds struct {
	mu sync.Mutex
	at map[string]time.Time
}

// log logs a task that was given back for want of a handler. Only the store knows
// whether another replica has one.
func (u *unknownKinds) log(log *slog.Logger, t *task.Task) {
	if u.due(t.Kind, time.Now()) {
		log.Warn("a task's kind has no handler here; the task goes to a replica that has one, or fails",
			"task", t.ID, "kind", t.Kind, "queue", t.Queue)
	}
}

// due reports whether the kind is to be logged now, and takes it for logged then.
func (u *unknownKinds) due(kind string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at[kind]; ok && now.Sub(at) < unknownAgain {
		return false
	}
	if len(u.at) >= mostUnknown {
		for k, at := range u.at {
			if now.Sub(at) >= unknownAgain {
				delete(u.at, k)
			}
		}
	}
	if len(u.at) >= mostUnknown {
		return false
	}
	u.at[kind] = now
	return true
}
