package demo

import (
	"context"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/internal/redisurl"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// The size of a demo. Limit is below the slots of all replicas, so that the limit blocks
// tasks. The lease is short, so that the tasks of the killed replica are soon taken
// over.
const (
	Replicas = 3
	Workers  = 4 // slots of each replica
	Limit    = 6 // tasks at once over all replicas
	lease    = 2 * time.Second
	queue    = "default"

	// maxLost is high, since a replica that gets no processor time for the time of the lease
	// loses its tasks too.
	maxLost = 100
)

// ReplicaCommand is the command of this program that runs a replica of the demo. It
// calls RunReplica. The URL and the pool are in the environment variables LTS_REDIS and
// LTS_POOL, the options in the flags --hold and --max-events. The demo writes a byte to
// its standard input when a replica has been killed. The command ends when the standard
// input ends.
const ReplicaCommand = "demo-replica"

// ReplicaOptions are the settings of a replica of the demo.
type ReplicaOptions struct {
	Hold      time.Duration   // added to the time of each task
	MaxEvents int             // events kept; 0 is the pool's default
	Killed    <-chan struct{} // closed when a replica has been killed
	Log       *slog.Logger
}

// checksumFile is the payload of a task.
type checksumFile struct {
	Path string `json:"path"`
	// UntilKilled makes each attempt wait until a replica has been killed.
	UntilKilled bool `json:"until_killed,omitempty"`
}

// Kind is the kind of the demo's tasks.
func (checksumFile) Kind() string { return "checksum" }

// RunReplica runs a replica that checksums files until ctx ends or it is drained.
func RunReplica(ctx context.Context, at *redisurl.Target, poolName string, o ReplicaOptions) error {
	rdb := at.Client()
	defer rdb.Close()
	p, err := pool.New(redisstore.New(rdb, poolName), pool.Config{
		Queues:       map[string]pool.Queue{queue: {Workers: Workers, Limit: Limit}},
		Policies:     map[string]pool.Policy{checksumFile{}.Kind(): {MaxLost: maxLost}},
		Lease:        lease,
		DrainTimeout: time.Second,
		StopGrace:    time.Second,
		MaxEvents:    o.MaxEvents,
		Logger:       o.Log,
	})
	if err != nil {
		return err
	}
	pool.HandleResult(p, func(ctx context.Context, t *pool.Task[checksumFile]) (checksum, error) {
		if t.Args.UntilKilled {
			select {
			case <-o.Killed:
			case <-ctx.Done():
				return checksum{}, context.Cause(ctx)
			}
		}
		sum, err := sumFile(t.Args.Path)
		if err != nil || o.Hold == 0 {
			return sum, err
		}
		select {
		case <-time.After(o.Hold):
			return sum, nil
		case <-ctx.Done():
			return checksum{}, context.Cause(ctx)
		}
	})
	return p.Run(ctx)
}
