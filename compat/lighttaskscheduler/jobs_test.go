package lighttaskscheduler

import (
	"testing"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

// A call of Poll may come late: its job has failed, and the task has started another try.
func TestJobOfAnEarlierTryIsNotThatOfALaterOne(t *testing.T) {
	for checkpoint, taken := range map[string]bool{"": false, `{"async":1,"name":"lts-p-1-00"}`: false, `{"async":1,"name":"lts-p-1-0","ref":"{}"}`: true} {
		x := newJobs(nil, nil, true, nil)
		j := &job{base: &task.Task{Spec: task.Spec{ID: "a"}, LastCheckpoint: []byte(checkpoint)}}
		x.all[j] = true
		if got := x.find(async.Job{Name: "lts-p-1-0", Ref: `{"id":"a"}`}); (got == j) != taken || got != nil && got != j {
			t.Errorf("with the checkpoint %q: %+v", checkpoint, got)
		}
	}
}
