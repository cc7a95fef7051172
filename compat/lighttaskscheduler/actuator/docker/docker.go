// Package actuator makes an actuator whose tasks are containers. It has the names of the
// package actuator of light-task-scheduler, and a folder of its own, so that programs without
// containers do not import the client of the engine.
package actuator

//lint:file-ignore ST1003 The names are those of light-task-scheduler.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ltsworker/ltsworker/compat/lighttaskscheduler"
	function "github.com/ltsworker/ltsworker/compat/lighttaskscheduler/actuator"
	"github.com/ltsworker/ltsworker/executor/docker"
	"github.com/ltsworker/ltsworker/task"
)

// DockerTask is the TaskItem of a container, or a pointer to one. Both types are registered.
type DockerTask struct {
	Image string   // is pulled if the engine does not have it
	Cmd   []string // of the image if it is empty
	// ContainerName has no effect: the container has a name of its try.
	ContainerName string

	MemoryLimit int64 // bytes, at least 6 MiB; 0 is no limit
	CpuPercent  int   // 200 is two processors; 0 is no limit

	ExposedPorts []string // has no effect: no port is published
	Env          []string // as "KEY=value"
	WorkingDir   string
	// NetworkMode is the name of a network of the engine, or none. Default: bridge. The
	// network of the host or of another container is refused.
	NetworkMode     string
	NetworkDisabled bool              // the same as NetworkMode none
	Privileged      bool              // is refused
	VolumeBinds     map[string]string // from paths of the host to paths in the container

	ContainerId string // has no effect
}

func init() {
	lighttaskscheduler.Register(DockerTask{})
	lighttaskscheduler.Register(&DockerTask{})
}

// InitFunction prepares a task before AddTask enqueues it.
type InitFunction = function.InitFunction

// dockerActuator runs containers with package executor/docker. The scheduler calls MakeHandler.
type dockerActuator struct {
	init InitFunction // may be nil
}

// MakeDockerActuator returns an actuator that runs a container for each task. The engine is
// that of DOCKER_HOST, or the one of this machine. The data of a task is what its container
// has written to its standard output, as a string. initFunc may be nil.
func MakeDockerActuator(initFunc InitFunction) *dockerActuator {
	return &dockerActuator{init: initFunc}
}

// SetCallbackChannel has no effect: the end of a container is noticed at once, and nothing is
// sent.
func (d *dockerActuator) SetCallbackChannel(chan lighttaskscheduler.Task) {}

// Init calls the InitFunction and checks the container.
func (d *dockerActuator) Init(ctx context.Context, task *lighttaskscheduler.Task) (newTask *lighttaskscheduler.Task, err error) {
	if d.init != nil {
		if newTask, err = d.init(ctx, task); err != nil {
			return nil, err
		}
	}
	if newTask == nil {
		newTask = task
	}
	_, err = itemOf(newTask)
	return newTask, err
}

// itemOf returns the TaskItem of a task.
func itemOf(t *lighttaskscheduler.Task) (*DockerTask, error) {
	var item *DockerTask
	switch v := t.TaskItem.(type) {
	case DockerTask:
		item = &v
	case *DockerTask:
		item = v
	}
	switch {
	case item == nil:
		return nil, fmt.Errorf("TaskItem is not configured as DockerTask, but as %T", t.TaskItem)
	case item.Privileged:
		return nil, errors.New("DockerTask.Privileged: a container cannot be privileged")
	}
	return item, nil
}

// MakeHandler returns the handler of the tasks of a pool.
func (d *dockerActuator) MakeHandler(pool string, read func(*task.Task) (lighttaskscheduler.Task, error)) (task.Handler, error) {
	return docker.New(docker.Config{Pool: pool, ForTask: func(t *task.Task, c *docker.Config) error {
		own, err := read(t)
		if err != nil {
			return err
		}
		item, err := itemOf(&own)
		if err == nil {
			item.configure(c)
		}
		return err
	}})
}

// configure sets the fields of c that a task decides about.
func (d *DockerTask) configure(c *docker.Config) {
	c.Image, c.Command, c.Env, c.Dir = d.Image, d.Cmd, d.Env, d.WorkingDir
	c.Memory, c.CPUs, c.Network = d.MemoryLimit, float64(d.CpuPercent)/100, d.NetworkMode
	switch {
	case d.NetworkDisabled:
		c.Network = "none"
	case d.NetworkMode == "" || d.NetworkMode == "default":
		c.Network = "bridge"
	}
	for _, source := range slices.Sorted(maps.Keys(d.VolumeBinds)) {
		c.Mounts = append(c.Mounts, docker.Mount{Source: source, Target: d.VolumeBinds[source]})
	}
}

// errWrapped is the error of the methods that only an actuator that wraps this one calls.
var errWrapped = errors.New("the scheduler must get the actuator of MakeDockerActuator itself: another actuator cannot call its methods")

// Start returns an error: the scheduler calls MakeHandler instead.
func (d *dockerActuator) Start(context.Context, *lighttaskscheduler.Task) (*lighttaskscheduler.Task, bool, error) {
	return nil, false, errWrapped
}

// GetOutput returns an error: see Start.
func (d *dockerActuator) GetOutput(context.Context, *lighttaskscheduler.Task) (interface{}, error) {
	return nil, errWrapped
}

// Stop returns an error: see Start.
func (d *dockerActuator) Stop(context.Context, *lighttaskscheduler.Task) error { return errWrapped }

// GetAsyncTaskStatus returns an error: see Start.
func (d *dockerActuator) GetAsyncTaskStatus(context.Context, []lighttaskscheduler.Task) ([]lighttaskscheduler.AsyncTaskStatus, error) {
	return nil, errWrapped
}
