package worker

import (
	"log/slog"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A replica may claim thousands of tasks of an unknown kind, each repeatedly while the
// replicas that have a handler are busy. A kind is therefore logged once per
// unknownInterval. At most maxUnknown kinds are logged in that time, because a producer
// may invent kinds.
const (
	unknownInterval = time.Minute
	maxUnknown      = 100
)

// unknownKinds records when kinds without a handler were logged.
type unknownKinds struct {
	mu sync.Mutex
	at map[string]time.Time
}

// log logs a task that was released because its kind has no handler here. Only the
// store knows whether another replica has one.
func (u *unknownKinds) log(log *slog.Logger, t *task.Task) {
	if u.shouldLog(t.Kind, time.Now()) {
		log.Warn("no handler for a task's kind; a replica that has one runs the task, or it fails",
			"task", t.ID, "kind", t.Kind, "queue", t.Queue)
	}
}

// shouldLog reports whether to log the kind now, and records that it was logged.
func (u *unknownKinds) shouldLog(kind string, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at, ok := u.at[kind]; ok && now.Sub(at) < unknownInterval {
		return false
	}
	if len(u.at) >= maxUnknown {
		for k, at := range u.at {
			if now.Sub(at) >= unknownInterval {
				delete(u.at, k)
			}
		}
	}
	if len(u.at) >= maxUnknown {
		return false
	}
	u.at[kind] = now
	return true
}
