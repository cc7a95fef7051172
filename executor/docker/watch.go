package docker

import (
	"context"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/ltsworker/ltsworker/executor/async"
)

// watched is a running container whose output and end this process follows. So its log can
// be read while it runs, its end is noticed at once, and its exit status is known even if
// another program removes it.
type watched struct {
	out    *output
	cancel context.CancelFunc

	mu     sync.Mutex
	polled time.Time // when it was polled last
	exit   *int      // nil until the container has ended
	broken bool      // the connection has ended before the container
	read   bool      // the output was read to its end
}

func (w *watched) exitStatus() (code int, ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.exit == nil {
		return 0, false
	}
	return *w.exit, true
}

// reading reports whether out is still being read.
func (w *watched) reading() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.exit == nil && !w.broken && !w.read
}

// complete reports whether out is all that the container has written.
func (w *watched) complete() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.read
}

// unseen reports whether the connection had ended before the container did.
func (w *watched) unseen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken && w.exit == nil
}

// unpolledAfter is when a container is followed no more that no attempt waits for.
const unpolledAfter = 10 * time.Minute

func (x *executor) find(id string) *watched {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.watched[id]
}

// watch follows the container of a job, if this process does not do so already.
func (x *executor) watch(job async.Job) *watched {
	_, id := parseRef(job.Ref)
	x.mu.Lock()
	defer x.mu.Unlock()
	w := x.watched[id]
	if w != nil {
		w.mu.Lock()
		w.polled = time.Now()
		w.mu.Unlock()
		if !w.unseen() {
			return w
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	w = &watched{out: newOutput(&x.cfg, job.LargeResult), cancel: cancel, polled: time.Now()}
	x.watched[id] = w
	go x.follow(ctx, job.Ref, w)
	return w
}

// follow reads the output of a container until it ends, and notifies the poller.
func (x *executor) follow(ctx context.Context, ref string, w *watched) {
	defer w.cancel()
	_, id := parseRef(ref)
	wait := x.engine.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	if logs, err := x.engine.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}); err == nil {
		err := demux(stdoutOf{w.out}, stderrOf{w.out}, logs)
		_ = logs.Close()
		w.mu.Lock()
		w.read = err == nil
		w.mu.Unlock()
	}
	select {
	case got := <-wait.Result:
		code := int(got.StatusCode)
		w.mu.Lock()
		w.exit = &code
		w.mu.Unlock()
	case <-wait.Error:
		w.mu.Lock()
		w.broken = true
		w.mu.Unlock()
		x.forgetEngine()
	}
	x.notify(ref)
}

// forget ends the watching of a container.
func (x *executor) forget(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if w := x.watched[id]; w != nil {
		w.cancel()
		delete(x.watched, id)
	}
}

// forgetUnpolled ends the watching of containers that no attempt of this process waits
// for.
func (x *executor) forgetUnpolled() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, w := range x.watched {
		w.mu.Lock()
		old := time.Since(w.polled) > max(unpolledAfter, 10*x.cfg.Interval)
		w.mu.Unlock()
		if old {
			w.cancel()
			delete(x.watched, id)
		}
	}
}
