// Package redisstore keeps a pool's tasks in Redis. Every change of state is one script
// of package lua. This package calls the scripts and decodes their replies.
//
// It works with a single server of Redis 7.0 or newer, with Sentinel and with a cluster:
// all keys of a pool have one hash tag. It sends scripts by hash, and in full to a server
// that does not know them. SCRIPT FLUSH, restarts and failovers need no action.
//
//	rdb := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true})
//	p, err := pool.New(redisstore.New(rdb, "media"), pool.Config{…})
//
// New takes any redis.UniversalClient, with its addresses, passwords and TLS settings.
// Set ContextTimeoutEnabled, so that calls end at the deadlines of their contexts. A call
// whose context is cancelled while Redis does not answer ends after ReadTimeout, 3 seconds
// by default. Do not disable that timeout: such a call would not end before Redis answers.
// Each blocking call (a replica has two or three) has a connection of its own beside the
// client's pool of connections, and ends as soon as its context does.
//
// A Store is a pool.Store: pass it to pool.New and use the pool's methods. Only a store
// in Redis has WithWait and ParseEntry.
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

// SchemaVersion is the version of the key layout that this package reads and writes. For
// a pool of another version, methods return a *task.SchemaError.
const SchemaVersion = "2"

// Store is one pool in Redis. It is safe for use by several goroutines and starts none
// of its own. It does not close the client that was passed to New.
type Store struct {
	rdb    redis.UniversalClient
	pool   string
	prefix string
	keys   []string // of every script call: the prefix and the meta hash

	waitReplicas int
	waitTimeout  time.Duration

	calls      calls
	access     access
	timeWrites atomic.Bool  // the server refuses TIME in a script that only reads
	client     string       // prefix of the names of this store's sequences
	classes    sync.Map     // class by replica, of replicas that joined or exchanged
	perEntry   atomic.Int64 // about how many events an entry of the stream has

	mu            sync.Mutex
	sequences     []*sequence // not used by any call
	nSequences    int
	idle          []*blocker               // not used by any blocking call
	subscriptions map[string]*subscription // by name
	nextCheck     time.Time                // when the slow check goes on after a pause
}

// Option changes how a Store works.
type Option func(*Store)

// WithWait makes every enqueue wait until this number of Redis replicas has confirmed it
// (the WAIT command), at most for timeout. If fewer confirm it, the enqueue returns
// ErrNotReplicated, although the tasks exist. WithWait reduces what an asynchronous
// failover can lose, and costs a replication round trip per call. The default is not to
// wait. With a timeout below 1ms every enqueue fails, because Redis would wait forever.
func WithWait(replicas int, timeout time.Duration) Option {
	return func(s *Store) { s.waitReplicas, s.waitTimeout = replicas, timeout }
}

// New returns the store of the named pool. It makes no call to Redis. If task.CheckName
// refuses the name, every method returns an error.
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

// Pool returns the name of the pool.
func (s *Store) Pool() string { return s.pool }

func (s *Store) key(parts ...string) string { return s.prefix + strings.Join(parts, "") }

// ErrNotReplicated is returned by an enqueue with WithWait when too few Redis replicas
// confirmed it in time. The tasks exist on the primary.
var ErrNotReplicated = errors.New("enqueued, but too few Redis replicas confirmed it")
