package lighttaskscheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

// ErrTransition is returned by the methods of a Container that would change the status of a
// task on behalf of the scheduler. The pool makes these changes itself.
var ErrTransition = errors.New("the pool itself changes the status of its tasks")

// Container is a TaskContainer whose tasks are in a pool. Each scheduler needs a pool of
// its own, which all processes with the same scheduler share. It is safe for concurrent
// use.
type Container struct {
	maxLen int
	open   func() (store pool.Store, name string, err error)

	once  sync.Once
	store pool.Store
	name  string
	pool  *pool.Pool // enqueues, reads and stops
	err   error
}

// NewContainer returns a Container on a store, such as redisstore.New(client, "media"). The
// caller closes the store after TaskScheduler.Close.
func NewContainer(store pool.Store) *Container {
	return &Container{open: func() (pool.Store, string, error) {
		if store == nil {
			return nil, "", errors.New("NewContainer(nil)")
		}
		name := ""
		if named, ok := store.(interface{ Pool() string }); ok {
			name = named.Pool()
		}
		return store, name, nil
	}}
}

// envContainers counts the containers of this process that the environment names.
var envContainers atomic.Int64

// EnvContainer returns a Container on the Redis that LTS_REDIS names and on the pool that
// LTS_POOL names. The defaults are redis://127.0.0.1:6379/0 and the name of the program.
// The second EnvContainer of a process adds "-2" to the name of the pool, the third "-3",
// so a program that makes several must make them in the same order in every process. With
// maxLen AddTask fails with pool.ErrQueueFull while so many tasks wait; 0 is no bound.
//
// Errors of the variables are errors of MakeScheduler. The connections to Redis stay open until
// the program ends; use NewContainer to close them before.
func EnvContainer(maxLen int) *Container {
	n := envContainers.Add(1)
	return &Container{maxLen: maxLen, open: func() (pool.Store, string, error) {
		url, from := os.Getenv("LTS_REDIS"), "LTS_REDIS"
		if url == "" {
			url, from = redisurl.Default, "the default URL"
		}
		target, err := redisurl.Parse(url, false)
		if err != nil {
			return nil, "", fmt.Errorf("%s %w", from, err)
		}
		name := os.Getenv("LTS_POOL")
		if name == "" {
			name = programName(os.Args[0])
		}
		if n > 1 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		if err := task.CheckName(name); err != nil {
			return nil, "", fmt.Errorf("LTS_POOL %w", err)
		}
		return redisstore.New(target.Client(), name), name, nil
	}}
}

// programName returns the name of a program as the name of a pool.
func programName(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".exe")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, base)
	if name = strings.TrimLeft(name, ".-"); name == "" {
		return "light-task-scheduler"
	}
	return name[:min(len(name), 100)]
}

// client returns the pool with which the container enqueues, reads and stops.
func (c *Container) client() (*pool.Pool, error) {
	c.once.Do(func() {
		if c.store, c.name, c.err = c.open(); c.err == nil {
			c.pool, c.err = pool.New(c.store, pool.Config{})
		}
	})
	return c.pool, c.err
}

// poolName returns the name of the pool, or that of the kind if the store does not know it.
func (c *Container) poolName() string { return cmp.Or(c.name, kind) }

// AddTask enqueues a task without TaskActuator.Init.
func (c *Container) AddTask(ctx context.Context, t Task) error { return c.add(ctx, t, nil) }

// AddRunningTask is AddTask: a task that ran in another container starts again.
func (c *Container) AddRunningTask(ctx context.Context, t Task) error { return c.add(ctx, t, nil) }

// GetRunningTask reads the tasks that run on any replica, or whose data is saved.
func (c *Container) GetRunningTask(ctx context.Context) ([]Task, error) {
	return c.read(ctx, -1, task.Running, task.Exporting)
}

// GetRunningTaskCount reads how many tasks run on all replicas, without those whose data is
// saved.
func (c *Container) GetRunningTaskCount(ctx context.Context) (int32, error) {
	p, err := c.client()
	if err != nil {
		return 0, err
	}
	s, err := p.Stats(ctx)
	return int32(s.Running), err
}

// GetWaitingTask reads up to limit tasks that wait. It takes none from the queue.
func (c *Container) GetWaitingTask(ctx context.Context, limit int32) ([]Task, error) {
	return c.read(ctx, int(limit), task.Waiting, task.Scheduled)
}

// read reads tasks; all if limit is negative.
func (c *Container) read(ctx context.Context, limit int, states ...task.State) (tasks []Task, err error) {
	p, err := c.client()
	if err != nil || limit == 0 {
		return nil, err
	}
	for t, err := range p.Tasks(ctx, pool.Filter{States: states, Kinds: []string{kind}}) {
		if err != nil {
			return tasks, err
		}
		own, err := fromPool(t)
		if err != nil {
			return tasks, fmt.Errorf("task %s: %w", t.ID, err)
		}
		if tasks = append(tasks, own); len(tasks) == limit {
			break
		}
	}
	return tasks, nil
}

// fromPool returns a task of the pool as a Task.
func fromPool(t *task.Task) (Task, error) {
	own, err := decodeTask(t.Payload)
	own.TaskStatus, own.TaskAttemptsTime = statusOf(t.State), int32(t.Failures)
	own.TaskStartTime, own.TaskEnbTime = t.StartedAt, t.EndedAt
	return own, err
}

// ToStopStatus stops a task: see TaskScheduler.StopTask.
func (c *Container) ToStopStatus(ctx context.Context, t *Task) (*Task, error) {
	p, err := c.client()
	if err == nil {
		_, err = p.Stop(ctx, pool.Filter{IDs: []string{poolID(t.TaskId)}}, stopReason)
	}
	if err != nil {
		return t, err
	}
	stopped := *t
	stopped.TaskStatus = TASK_STATUS_STOPED
	return &stopped, nil
}

// ToDeleteStatus stops a task, waits for its end, and removes it.
func (c *Container) ToDeleteStatus(ctx context.Context, t *Task) (*Task, error) {
	p, err := c.client()
	if err != nil {
		return t, err
	}
	id := poolID(t.TaskId)
	_, err = p.Stop(ctx, pool.Filter{IDs: []string{id}}, stopReason)
	if err == nil {
		_, err = p.WaitTask(ctx, id)
	}
	if err == nil || errors.Is(err, pool.ErrEnded) {
		_, err = p.Delete(ctx, pool.Filter{IDs: []string{id}})
	}
	if err != nil && !errors.Is(err, pool.ErrNotFound) {
		return t, err
	}
	deleted := *t
	deleted.TaskStatus = TASK_STATUS_DELETE
	return &deleted, nil
}

// ToRunningStatus returns ErrTransition.
func (c *Container) ToRunningStatus(_ context.Context, t *Task) (*Task, error) {
	return t, ErrTransition
}

// ToFailedStatus returns ErrTransition.
func (c *Container) ToFailedStatus(_ context.Context, t *Task, _ error) (*Task, error) {
	return t, ErrTransition
}

// ToExportStatus returns ErrTransition.
func (c *Container) ToExportStatus(_ context.Context, t *Task) (*Task, error) {
	return t, ErrTransition
}

// ToSuccessStatus returns ErrTransition.
func (c *Container) ToSuccessStatus(_ context.Context, t *Task) (*Task, error) {
	return t, ErrTransition
}

// UpdateRunningTaskStatus returns ErrTransition.
func (c *Container) UpdateRunningTaskStatus(context.Context, *Task, AsyncTaskStatus) error {
	return ErrTransition
}
