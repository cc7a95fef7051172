package console

import (
	"context"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// logs are the logs of running tasks that viewers follow. All viewers of a task share one read a
// second.
type logs struct {
	mu     sync.Mutex
	byTask map[string]*taskLog
}

// taskLog is the log of a task and when a viewer last asked for it.
type taskLog struct {
	shared[*task.Task]
	asked time.Time
}

const (
	// mostLogs is how many logs are kept; then all are forgotten.
	mostLogs = 200
	// idleLog is how long a log is kept after the last request for it.
	idleLog = 10 * time.Second
)

func (l *logs) of(id string, now time.Time) *shared[*task.Task] {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, f := range l.byTask {
		if now.Sub(f.asked) > idleLog {
			delete(l.byTask, id)
		}
	}
	if l.byTask == nil || l.byTask[id] == nil && len(l.byTask) >= mostLogs {
		l.byTask = map[string]*taskLog{}
	}
	if l.byTask[id] == nil {
		l.byTask[id] = &taskLog{shared: shared[*task.Task]{keep: fresh, within: patience}}
	}
	l.byTask[id].asked = now
	return &l.byTask[id].shared
}

// log returns the log of the running attempt of a task as text, or that of an attempt that is
// named. The header Lts-Running says whether more may follow.
func (q *request) log() error {
	id := q.FormValue("id")
	if task.CheckName(id) != nil {
		return notFound("task", id)
	}
	t, _, err := q.site.logs.of(id, time.Now()).get(q.Context(), func(ctx context.Context) (*task.Task, error) {
		return q.site.store.RunningLog(ctx, id)
	})
	if err != nil {
		return err
	}
	if t == nil {
		return notFound("task", id)
	}
	attempt, err := strconv.ParseInt(q.FormValue("attempt"), 10, 64)
	named := err == nil
	text, running := t.Log, t.State == task.Running && (!named || attempt == t.Attempt)
	if !running {
		history, err := q.site.pool.History(q.Context(), id)
		if err != nil {
			return err
		}
		text = ""
		for _, a := range history {
			if !named || a.Attempt == attempt {
				text = a.Log
			}
		}
	}
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.w.Header().Set("Lts-Running", strconv.FormatBool(running))
	_, _ = io.WriteString(q.w, readable(text)) // a browser that has closed the connection gets no log
	return nil
}
