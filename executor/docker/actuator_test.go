package docker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	lts "github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	actuator "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/actuator/docker"
	"github.com/ltsworker/ltsworker/executor/docker"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
)

// saved keeps data by the TaskId.
type saved chan string

func (s saved) DataPersistence(_ context.Context, t *lts.Task, data any) error {
	s <- t.TaskId + ": " + data.(string)
	return nil
}
func (saved) GetPersistenceData(context.Context, *lts.Task) (any, error) { return nil, nil }
func (saved) DeletePersistenceData(context.Context, *lts.Task) error     { return nil }

// A program of light-task-scheduler runs containers, each of its own image and command.
func TestDockerActuatorRunsTheContainersOfItsTasks(t *testing.T) {
	t.Setenv("DOCKER_HOST", docker.SharedHost(t))
	data := make(saved, 9)
	s, err := lts.MakeScheduler(lts.NewContainer(redisstore.New(redisserver.Shared(t).Client(t), "actuator")), actuator.MakeDockerActuator(nil), data,
		lts.Config{TaskLimit: 2, TaskTimeout: time.Minute, EnableFinshedTaskList: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	item := actuator.DockerTask{Image: docker.TestImage, NetworkDisabled: true, Env: []string{"MODE=fast"}, WorkingDir: "/lts"}
	tasks := map[string][]string{"done": {"exit", "0", "{{id}}"}, "failed": {"exit", "3", "no disk"}, "refused": {"exit", "0", ""}}
	for id, cmd := range tasks {
		own := item
		if own.Cmd = cmd; id == "refused" {
			own.NetworkDisabled, own.NetworkMode = false, "host"
		}
		if err := s.AddTask(t.Context(), lts.Task{TaskId: id, TaskItem: own}); err != nil {
			t.Fatal(err)
		}
	}
	for range tasks {
		select {
		case got := <-s.FinshedTasks():
			switch why := fmt.Sprint(got.FailedReason); {
			case got.TaskId == "done" && got.TaskStatus == lts.TASK_STATUS_SUCCESS:
			case got.TaskId == "failed" && got.TaskStatus == lts.TASK_STATUS_FAILED && strings.Contains(why, "exit status 3: no disk"):
			case got.TaskId == "refused" && got.TaskStatus == lts.TASK_STATUS_FAILED && strings.Contains(why, `network must be none or the name of a network, not "host"`):
			default:
				t.Errorf("%+v", got)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("a task has not ended")
		}
	}
	select {
	case got := <-data:
		if got != "done: out" {
			t.Errorf("saved %q", got)
		}
	default:
		t.Error("no data was saved")
	}
}
