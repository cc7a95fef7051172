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
	byTask map[string]*shared[*task.Task]
}

// mostLogs is how many tasks are kept; then all are forgotten.
const mostLogs = 200

func (l *logs) of(id string) *shared[*task.Task] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byTask == nil || l.byTask[id] == nil && len(l.byTask) >= mostLogs {
		l.byTask = map[string]*shared[*task.Task]{}
	}
	if l.byTask[id] == nil {
		l.byTask[id] = &shared[*task.Task]{keep: time.Second}
	}
	return l.byTask[id]
}

// log returns the log of the running attempt of a task as text, or that of an attempt that is
// named. The header Lts-Running says whether more may follow.
func (q *request) log() error {
	id := q.FormValue("id")
	if task.CheckName(id) != nil {
		return notFound("task", id)
	}
	t, _, err := q.site.logs.of(id).get(func() (*task.Task, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), patience)
		defer cancel()
		found, err := q.site.store.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		return found[0], nil
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
