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

func TestPoolsHaveTheNameOfTheProgram(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/videocut":             "videocut",
		"add.test":                      "add.test",
		"tool.exe":                      "tool",
		"/opt/my program":               "my-program",
		"/opt/-.":                       "light-task-scheduler",
		"/opt/\xe4\xbb\xbb\xe5\x8a\xa1": "light-task-scheduler",
	} {
		if got := programName(path); got != want || task.CheckName(got) != nil {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	t.Setenv("LTS_POOL", "media")
	envContainers.Store(0)
	for i, want := range []string{"media", "media-2", "media-3"} {
		if _, got, err := EnvContainer(0).open(); got != want || err != nil {
			t.Errorf("container %d: %q, %v, want %q", i+1, got, err, want)
		}
	}
}
