package lighttaskscheduler

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

func TestTaskTimeoutIsTheTimeoutOfATry(t *testing.T) {
	for given, want := range map[time.Duration]time.Duration{0: task.Forever, time.Minute: time.Minute} {
		c := Config{TaskLimit: 1, TaskTimeout: given}
		if got := c.policy().Timeout; got != want || c.check() != nil {
			t.Errorf("TaskTimeout %v: a try may take %v, want %v; %v", given, got, want, c.check())
		}
	}
}
