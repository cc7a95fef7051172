// Package redisstore keeps a pool's tasks in Redis: keys, bytes and calls. Every
// change of state is one script of package lua; this package turns them into
// the methods that a pool and its replicas need.
//
// It works with a single Redis 7.0 or newer, behind Sentinel and on a cluster: all
// keys of a pool share one hash tag. Scripts are sent by hash and again in full
// where the server does not know them, so SCRIPT FLUSH, restarts and failovers
// need no attention.
//
//	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//	p, err := pool.New(redisstore.New(rdb, "media"), pool.Config{…})
//
// New takes any redis.UniversalClient, and its connections, passwords and TLS with
// it. Set ContextTimeoutEnabled, so that calls end with their contexts. Beside the
// client's own pool of connections each blocking call (a replica has two or three)
// has one of its own.
//
// A Store is a pool.Store: a service hands it to pool.New and calls pool from then
// on. What only a store in Redis has is here: WithWait, Rejected, ParseEntry.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// SchemaVersion is the version of the key layout that this package reads and
// writes. A replica refuses to join a pool of another one.
const SchemaVersion = "1"

// Store is one pool in Redis. It is safe for use by several goroutines, starts
// none of its own, and does not own the client it was given.
type Store struct {
	rdb    redis.UniversalClient
	pool   string
	prefix string
	keys   []string // what every script gets: the prefix, and the meta hash

	waitReplicas int
	waitTimeout  time.Duration

	client string // names this store in the records of its enqueue calls
	mu     sync.Mutex
	lanes  []*lane
	nLanes int
	idle   []*blocker // for blocking calls

	sent          sync.Map                 // scripts that the server has had in full
	writable      atomic.Bool              // the user may run what the scripts need
	subscriptions map[string]*subscription // by name

	schemaRead atomic.Pointer[time.Time] // when the pool's schema was last found to be this program's
	nextCheck  time.Time                 // the shared walk of the slow check rests until then
}

// Option changes how a Store works.
type Option func(*Store)

// WithWait makes every enqueue wait until so many Redis replicas confirmed it
// (the WAIT command), at most for timeout; fewer is ErrNotReplicated, although
// the tasks exist. It narrows what an asynchronous failover can lose, and costs
// a replication round trip per call. Default: none. A timeout below a millisecond,
// with which Redis would wait for ever, makes every enqueue fail.
func WithWait(replicas int, timeout time.Duration) Option {
	return func(s *Store) { s.waitReplicas, s.waitTimeout = replicas, timeout }
}

// New returns the store of the named pool. It makes no call; a name that
// CheckName refuses comes back as an error from the first one.
func New(rdb redis.UniversalClient, pool string, opts ...Option) *Store {
	s := &Store{
		rdb:    rdb,
		pool:   pool,
		prefix: "lts:{" + pool + "}:",
		client: strconv.FormatUint(rand.Uint64(), 36),
	}
	s.keys = []string{s.prefix, s.key("meta")}
	for _, o := range opts {
		o(s)
	}
	return s
}

// Pool is the name of the pool.
func (s *Store) Pool() string { return s.pool }

func (s *Store) key(parts ...string) string { return s.prefix + strings.Join(parts, "") }

func (s *Store) checkName() error {
	if err := worker.CheckName(s.pool); err != nil {
		return &worker.FieldError{Field: "pool", Msg: err.Error()}
	}
	return nil
}

// ErrNotReplicated is what an enqueue returns under WithWait when too few Redis
// replicas confirmed it in time. The tasks exist on the primary.
var ErrNotReplicated = errors.New("enqueued, but too few Redis replicas confirmed it")

// workerRights is what an ACL user needs of commands to work on a pool's keys.
const workerRights = "+@all -@admin -@dangerous -function +info"

// fail names what was being done and says what to do about the errors that have
// a known remedy.
func (s *Store) fail(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if c, ok := s.rdb.(*redis.ClusterClient); ok {
		lookAgain(ctx, c, err)
	}
	msg := err.Error()
	switch {
	case strings.HasPrefix(msg, "SCHEMA "):
		err = s.foreign(strings.TrimPrefix(msg, "SCHEMA "))
	case strings.HasPrefix(msg, "UNJOINED"):
		err = worker.ErrNotJoined
	case strings.HasPrefix(msg, "NOAUTH"), strings.HasPrefix(msg, "WRONGPASS"):
		err = advise(err, "give the password in the Redis URL, from the environment or a file")
	case isRefused(err):
		err = advise(deniedError{err}, "a worker's ACL user needs ~lts:{"+s.pool+"}:* with "+workerRights)
	case strings.HasPrefix(msg, "OOM"):
		err = advise(err, "Redis is at maxmemory: raise it, shorten retention, or let the pool drain")
	case strings.HasPrefix(msg, "READONLY"):
		err = advise(err, "this server is a replica: connect to the primary, or through Sentinel or the cluster client")
	case s.isAstray(err):
		err = advise(err, "this is one node of a cluster: use a client for clusters, or a URL with redis-cluster://")
	case strings.HasPrefix(msg, "TRYAGAIN"):
		err = advise(err, "the cluster is moving the pool to another master: it goes on when that is done")
	case strings.HasPrefix(msg, "LOADING"):
		err = advise(err, "Redis is starting: it serves when it has read its data")
	case strings.HasPrefix(msg, "BUSY "):
		err = advise(err, "a script of another program holds Redis up: SCRIPT KILL ends it")
	case strings.HasPrefix(msg, "MASTERDOWN"):
		err = advise(err, "this server is a replica that has lost its primary: connect to the primary, or through Sentinel or the cluster client")
	case strings.HasPrefix(msg, "WRONGTYPE"):
		err = advise(err, "a key of pool "+s.pool+" was overwritten by another program: ltsworker doctor names it")
	case strings.HasPrefix(msg, "MISCONF"):
		err = advise(err, "Redis cannot write its snapshot to disk: see its log")
	case strings.Contains(msg, "unknown command"):
		err = advise(err, "Redis 7.0 or newer is needed")
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func advise(err error, advice string) error { return &worker.AdvisedError{Err: err, Do: advice} }
