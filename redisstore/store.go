// Package redisstore keeps a pool's tasks in Redis: keys, bytes and calls. Every
// change of state is one script of package lua; this package turns them into
// the methods that a pool and its replicas need.
//
// It works with a single Redis 7.0 or newer, behind Sentinel and on a cluster: all
// keys of a pool share one hash tag. Scripts are sent by hash, and in full only to
// a server that does not know them, so that SCRIPT FLUSH, restarts and failovers
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
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// SchemaVersion is the version of the key layout that this package reads and
// writes. A pool of another one is refused with a *task.SchemaError.
const SchemaVersion = "2"

// Store is one pool in Redis. It is safe for use by several goroutines, starts
// none of its own, and does not own the client it was given.
type Store struct {
	rdb    redis.UniversalClient
	pool   string
	prefix string
	keys   []string // what every script gets: the prefix, and the meta hash

	waitReplicas int
	waitTimeout  time.Duration

	gate     gate
	client   string       // names this store in the records of its enqueue calls
	classes  sync.Map     // classes of the replicas that joined or exchanged, by replica
	perEntry atomic.Int64 // about how many events an entry of the stream holds

	mu            sync.Mutex
	sequences     []*sequence // those that no call uses
	nSequences    int
	idle          []*blocker               // for blocking calls
	subscriptions map[string]*subscription // by name
	nextCheck     time.Time                // the shared walk of the slow check pauses until then
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
// task.CheckName refuses is an error of every method.
func New(rdb redis.UniversalClient, pool string, opts ...Option) *Store {
	s := &Store{
		rdb:           rdb,
		pool:          pool,
		prefix:        "lts:{" + pool + "}:",
		client:        strconv.FormatUint(rand.Uint64(), 36),
		subscriptions: map[string]*subscription{},
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

// ErrNotReplicated is returned by an enqueue under WithWait when too few Redis
// replicas confirmed it in time. The tasks exist on the primary.
var ErrNotReplicated = errors.New("enqueued, but too few Redis replicas confirmed it")
