package lighttaskscheduler

import (
	"log/slog"

	"github.com/ltsworker/ltsworker/executor/async"
)

// readCallbacks reads the reports of ends until Close, or until the channel is closed.
func (s *TaskScheduler) readCallbacks(reports <-chan Task) {
	for {
		select {
		case <-s.life.Done():
			return
		case r, ok := <-reports:
			if !ok {
				return
			}
			if s.jobs != nil { // the return of a function is its end
				s.jobs.report(&r)
			}
		}
	}
}

// report takes the end of a try from a callback. A report of another try is ignored.
func (x *jobs) report(r *Task) {
	end, why := endOf(r.TaskStatus, r.FailedReason)
	if end == async.Unknown {
		return
	}
	id := poolID(r.TaskId)
	x.mu.Lock()
	defer x.mu.Unlock()
	known := false
	for j := range x.all {
		if j.base.ID != id || !j.isMeant(r) {
			continue
		}
		known = true
		// Without a start time the report may be of an earlier try. If the actuator can be
		// asked, its answer counts.
		if j.end == async.Unknown && (!r.TaskStartTime.IsZero() || !x.poll) {
			j.end, j.why = end, why
		}
		if j.ref != "" {
			x.async.Notify(j.ref)
		}
	}
	if !known {
		slog.Debug("a callback was ignored: no such try runs in this process", "task", r.TaskId, "retries", r.TaskAttemptsTime)
	}
}

// isMeant reports whether a report may be of this try. The caller holds the mutex.
func (j *job) isMeant(r *Task) bool {
	if r.TaskStartTime.IsZero() {
		return r.TaskAttemptsTime == 0 || r.TaskAttemptsTime == j.task.TaskAttemptsTime
	}
	return r.TaskStartTime.Equal(j.given) || r.TaskStartTime.Equal(j.task.TaskStartTime)
}
