package selftest

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// replica is a replica in this process. It runs until stop is called or it is asked to
// drain.
type replica struct {
	end   context.CancelFunc
	ended chan struct{}
	err   error // what Run returned, once ended is closed
}

func (r *replica) stop() error {
	r.end()
	<-r.ended
	return r.err
}

// early returns why the replica ended although stop was not called.
func (r *replica) early(ctx context.Context) error {
	r.end()
	return cmp.Or(context.Cause(ctx), r.err, errors.New("the replica ended early: a drain was requested"))
}

// startReplica starts a replica whose handler only calls done. It returns when the
// replica has joined.
func (r *run) startReplica(ctx context.Context, done func()) (*replica, error) {
	p, err := pool.New(r.Store, pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Workers: r.Workers}}, DrainTimeout: time.Second,
		Logger: r.Log,
	})
	if err != nil {
		return nil, err
	}
	p.HandleKind(kind, task.Handler(func(context.Context, *task.Task) ([]byte, error) {
		done()
		return nil, nil
	}))
	running, end := context.WithCancel(ctx)
	started := &replica{end: end, ended: make(chan struct{})}
	go func() {
		started.err = p.Run(running)
		close(started.ended)
	}()
	select {
	case <-p.Joined():
		return started, nil
	case <-started.ended:
		return nil, started.early(ctx)
	}
}
