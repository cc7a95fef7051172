package lighttaskscheduler_test

import (
	"testing"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// In each case the first try fails after a second, and the second try lasts until its end is
// reported. The report under test arrives during the second try.
func TestReportOfAnotherTryIsIgnored(t *testing.T) {
	failed := func(t lts.Task) lts.Task { t.TaskStatus, t.FailedReason = lts.TASK_STATUS_FAILED, errBoom; return t }
	for name, c := range map[string]struct {
		mode   string
		report func(first, second lts.Task) lts.Task // as Start got them
		ends   bool
	}{
		"the first try again":           {"callback", func(first, _ lts.Task) lts.Task { return failed(first) }, false},
		"the first try again, polled":   {"both", func(first, _ lts.Task) lts.Task { return failed(first) }, false},
		"this try":                      {"callback", func(_, second lts.Task) lts.Task { return failed(second) }, true},
		"this try, polled":              {"both", func(_, second lts.Task) lts.Task { return failed(second) }, true},
		"only the id":                   {"callback", func(lts.Task, lts.Task) lts.Task { return failed(lts.Task{TaskId: "a"}) }, true},
		"only the id, polled":           {"both", func(lts.Task, lts.Task) lts.Task { return failed(lts.Task{TaskId: "a"}) }, false},
		"id and try":                    {"callback", func(lts.Task, lts.Task) lts.Task { return failed(lts.Task{TaskId: "a", TaskAttemptsTime: 1}) }, true},
		"id and another try":            {"callback", func(lts.Task, lts.Task) lts.Task { return failed(lts.Task{TaskId: "a", TaskAttemptsTime: 2}) }, false},
		"another task":                  {"callback", func(lts.Task, lts.Task) lts.Task { return failed(lts.Task{TaskId: "b"}) }, false},
		"this try, which still runs":    {"callback", func(_, second lts.Task) lts.Task { second.TaskStatus = lts.TASK_STATUS_RUNNING; return second }, false},
		"this try, without any status":  {"callback", func(_, second lts.Task) lts.Task { second.TaskStatus = 0; return second }, false},
		"success, then a late failure":  {"callback", func(_, second lts.Task) lts.Task { second.TaskStatus = lts.TASK_STATUS_SUCCESS; return second }, true},
		"a start time of its own clock": {"callback", func(_, second lts.Task) lts.Task { second.TaskStartTime = time.Now(); return failed(second) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(func(_ string, n int) try {
					return []try{{lasts: time.Second, err: errBoom}, {}}[n-1]
				})
				config := modes[c.mode]
				config.MaxFailedAttempts, config.EnableFinshedTaskList, config.TaskTimeout = 1, true, time.Hour
				s := scheduler(t, p, f, nil, f.config(config))
				add(t, s, "a")
				advance(10 * time.Second)
				base := lts.Task{TaskId: "a", TaskItem: Cut{Video: "v"}}
				first, second := base, base
				first.TaskStartTime, second.TaskStartTime, second.TaskAttemptsTime = f.times[0], f.times[1], 1
				report := c.report(first, second)
				f.callbacks <- report
				late := failed(second) // the first report of an end counts
				if c.ends {
					f.callbacks <- late
				}
				advance(10 * time.Second)
				select {
				case got := <-s.FinshedTasks():
					if !c.ends || got.TaskStatus != report.TaskStatus {
						t.Errorf("the report ended the task: %+v", got)
					}
				default:
					if c.ends {
						t.Error("the report did not end the task")
					}
				}
			})
		})
	}
}

// The end of a task is reported again a minute later, while the same task runs again.
func TestRepeatedReportEndsNoLaterTask(t *testing.T) {
	for _, mode := range []string{"callback", "both"} {
		t.Run(mode, func(t *testing.T) {
			inFakeTime(t, func(t *testing.T, p *pooltest.Pool) {
				f := newFarm(always(try{lasts: time.Minute}))
				config := modes[mode]
				config.EnableFinshedTaskList = true
				s := scheduler(t, p, f, nil, f.config(config))
				add(t, s, "a")
				want(t, receive(t, s), "a", lts.TASK_STATUS_SUCCESS, 0, "")
				report := lts.Task{TaskId: "a", TaskItem: Cut{Video: "v", Work: "a#1"}, TaskStartTime: f.times[0], TaskStatus: lts.TASK_STATUS_FAILED, FailedReason: errBoom}
				f.callbacks <- report
				advance(time.Minute)
				add(t, s, "a")
				advance(time.Second)
				f.callbacks <- report
				got := receive(t, s)
				want(t, got, "a", lts.TASK_STATUS_SUCCESS, 0, "")
				if took := got.TaskEnbTime.Sub(got.TaskStartTime); took < time.Minute {
					t.Errorf("the second task ended after %v", took)
				}
			})
		})
	}
}
