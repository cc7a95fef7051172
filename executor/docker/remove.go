package docker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/executor/async"
	"github.com/ltsworker/ltsworker/task"
)

// Stop implements async.Executor: SIGTERM, and SIGKILL after the grace.
func (x *executor) Stop(ctx context.Context, job async.Job) error {
	id := job.Name
	if job.Ref != "" {
		_, id = parseRef(job.Ref)
	}
	grace := int(math.Ceil(x.cfg.Grace.Seconds()))
	if _, err := x.engine.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &grace}); errdefs.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("stop the container: %w", err)
	}
	got, err := x.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("inspect the stopped container: %w", err)
	case got.Container.State == nil || got.Container.State.Running:
		return errors.New("the container still runs after its stop")
	case got.Container.State.Status == container.StateCreated: // must not be started later
		return x.remove(ctx, id, true)
	}
	return nil
}

// remove removes a container and its anonymous volumes.
func (x *executor) remove(ctx context.Context, id string, force bool) error {
	_, err := x.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{RemoveVolumes: true, Force: force})
	// The engine refuses a removal that is in progress as a conflict.
	if err == nil || errdefs.IsNotFound(err) || force && errdefs.IsConflict(err) {
		return nil
	}
	return fmt.Errorf("remove container %s: %w", id, err)
}

// removeEarlier removes the containers of earlier attempts of the task. One that still
// runs could not be stopped before.
func (x *executor) removeEarlier(ctx context.Context, name string, t *task.Task) error {
	list, err := x.engine.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: client.Filters{}.Add("label", Label+"="+x.cfg.Pool, labelTask+"="+t.ID)})
	if err != nil {
		return fmt.Errorf("list containers of the task: %w", err)
	}
	for _, c := range list.Items {
		fence, err := strconv.ParseInt(c.Labels[labelFence], 10, 64)
		// Attempts in place have the same fence.
		if err != nil || fence > t.Fence || len(c.Names) == 1 && c.Names[0] == "/"+name {
			continue
		}
		if c.State == container.StateRunning {
			x.cfg.Logger.Warn("a container of an earlier attempt still runs and is killed", "task", t.ID, "container", c.ID, "fence", fence)
		}
		if err := x.remove(ctx, c.ID, true); err != nil {
			return err
		}
	}
	return nil
}

// removeLater removes an ended container after the time for which it is kept.
func (x *executor) removeLater(id string) {
	time.AfterFunc(x.cfg.Keep, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := x.remove(ctx, id, false); err != nil {
			x.cfg.Logger.Warn("an ended container was not removed; it is removed after a day", "container", id, "err", err)
		}
	})
}

const (
	sweepEvery = time.Hour
	sweepAge   = 24 * time.Hour
)

// sweepAtTimes removes old containers in the background, an hour after the first task and
// then at most once an hour. After a time in which no replica ran, the tasks of ended
// containers have been taken over by then.
func (x *executor) sweepAtTimes() {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := time.Now()
	if x.swept.IsZero() {
		x.swept = now
	}
	if now.Sub(x.swept) >= sweepEvery {
		x.swept = now
		go x.sweep(now.Add(-sweepAge))
	}
}

// sweep removes the containers of the pool that ended before a time, or were created
// before it and never started. Their processes died before they could remove them.
func (x *executor) sweep(before time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	list, err := x.engine.ContainerList(ctx, client.ContainerListOptions{All: true,
		Filters: client.Filters{}.Add("label", Label+"="+x.cfg.Pool).Add("status", string(container.StateCreated), string(container.StateExited), string(container.StateDead))})
	if err != nil {
		return // tried again after an hour; the call of Start has the error
	}
	for _, c := range list.Items {
		got, err := x.engine.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err != nil || got.Container.State == nil {
			continue
		}
		since := got.Container.State.FinishedAt
		if got.Container.State.Status == container.StateCreated {
			since = got.Container.Created
		}
		if x.find(c.ID) != nil { // an attempt of this process waits for it
			continue
		}
		if ended, err := time.Parse(time.RFC3339Nano, since); err == nil && ended.Before(before) {
			if err := x.remove(ctx, c.ID, false); err != nil {
				x.cfg.Logger.Warn("an old container was not removed", "container", c.ID, "err", err)
			}
		}
	}
}
