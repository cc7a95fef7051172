package actuator

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	"github.com/ltsworker/ltsworker/executor/docker"
)

func TestFieldsOfADockerTask(t *testing.T) {
	for name, c := range map[string]struct {
		task DockerTask
		want docker.Config
	}{
		"image only": {DockerTask{Image: "a:1"}, docker.Config{Image: "a:1", Network: "bridge"}},
		"all": {DockerTask{Image: "a:1", Cmd: []string{"sh", "-c", "echo {{id}}"}, ContainerName: "x", MemoryLimit: 10 << 20, CpuPercent: 250,
			ExposedPorts: []string{"80"}, Env: []string{"A=1"}, WorkingDir: "/w", NetworkMode: "videos", VolumeBinds: map[string]string{"/b": "/in", "/a": "/out"}},
			docker.Config{Image: "a:1", Command: []string{"sh", "-c", "echo {{id}}"}, Memory: 10 << 20, CPUs: 2.5, Env: []string{"A=1"}, Dir: "/w", Network: "videos",
				Mounts: []docker.Mount{{Source: "/a", Target: "/out"}, {Source: "/b", Target: "/in"}}}},
		"no network": {DockerTask{NetworkDisabled: true, NetworkMode: "videos"}, docker.Config{Network: "none"}},
	} {
		got := docker.Config{}
		c.task.configure(&got)
		if d := cmp.Diff(c.want, got, cmpopts.IgnoreFields(docker.Config{}, "ForTask")); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestTaskThatIsNoContainerIsRefused(t *testing.T) {
	boom := errors.New("boom")
	for want, item := range map[string]any{
		"not configured as DockerTask, but as string": "x",
		"but as <nil>":                     nil,
		"but as *actuator.DockerTask":      (*DockerTask)(nil),
		"a container cannot be privileged": &DockerTask{Privileged: true},
		"":                                 DockerTask{},
	} {
		_, err := MakeDockerActuator(nil).Init(t.Context(), &lighttaskscheduler.Task{TaskItem: item})
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", item, err, want)
		}
	}
	refuse := func(context.Context, *lighttaskscheduler.Task) (*lighttaskscheduler.Task, error) { return nil, boom }
	if _, err := MakeDockerActuator(refuse).Init(t.Context(), &lighttaskscheduler.Task{TaskItem: DockerTask{}}); !errors.Is(err, boom) {
		t.Error(err)
	}
}
