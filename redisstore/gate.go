package redisstore

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// schema is SchemaVersion; a variable so that tests can build a program of
// another version (go build -ldflags "-X …/redisstore.schema=3").
var schema = SchemaVersion

// schemaAgain is how long a store trusts what it read of the pool's schema.
const schemaAgain = time.Minute

// need is what has to be checked before a call.
type need int

const (
	nothing need = iota // the pool has a valid name; that is always checked
	reads               // the pool is not of another schema
	writes              // and the user may run what the scripts contain
	creates             // and the pool has a schema: it gets one, if need be
	serves              // as writes, and the user may run what a replica sends beside the scripts
)

// gate remembers what was checked.
type gate struct {
	granted atomic.Bool               // the user may run what the scripts contain
	known   atomic.Pointer[time.Time] // when the pool's schema was read; nil for not yet
}

// ready checks what a call needs of the pool's name, the user's rights and the pool's
// schema. The rights are checked once, and again after a refusal; those of a replica
// each time. The schema is read once a minute.
func (s *Store) ready(ctx context.Context, need need) error {
	if err := s.checkName(); err != nil || need == nothing {
		return err
	}
	if need >= writes && (need == serves || !s.gate.granted.Load()) {
		if err := s.checkRights(ctx, need == serves); err != nil {
			return s.notReady(ctx, "check rights", err)
		}
	}
	if last := s.gate.known.Load(); last != nil && time.Since(*last) < schemaAgain {
		return nil
	}
	if err := s.checkSchema(ctx, need == creates); err != nil {
		return s.notReady(ctx, "check schema", err)
	}
	return nil
}

func (s *Store) notReady(ctx context.Context, doing string, err error) error {
	var answer redis.Error
	if !errors.As(err, &answer) && !errors.Is(err, task.ErrSchema) {
		doing = "reach Redis"
	}
	return s.fail(ctx, doing, err)
}

func (s *Store) checkName() error {
	if err := task.CheckName(s.pool); err != nil {
		return &task.FieldError{Field: "pool", Msg: err.Error()}
	}
	return nil
}

// checkRights asks whether the user may run what the scripts contain: Redis checks the
// commands of a script one by one, so that a script could otherwise stop half-way.
func (s *Store) checkRights(ctx context.Context, replica bool) error {
	reply, err := s.call(ctx, rightsScript, replica)
	if err != nil {
		return err
	}
	r := readReply("rights", reply)
	if refused := r.strings(); len(refused) > 0 {
		return refusal("NOPERM this user may not run " + strings.Join(refused, " "))
	}
	s.gate.granted.Store(r.err == nil)
	return r.err
}

// refusal is an answer such as Redis gives.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// checkSchema refuses a pool that a program of another schema wrote. Where a pool has
// none yet and mark is true, it writes this program's.
func (s *Store) checkSchema(ctx context.Context, mark bool) error {
	has, err := s.readSchema(ctx)
	if err == nil && has == "" && mark {
		err = s.retryUnstable(ctx, s.rdb, func() error { return s.rdb.HSetNX(ctx, s.key("meta"), "schema", schema).Err() })
		if err == nil {
			has, err = s.readSchema(ctx) // another program may have been faster
		}
	}
	switch {
	case err != nil:
		return err
	case has == schema:
		now := time.Now()
		s.gate.known.Store(&now)
	case has != "":
		return s.foreign(has)
	}
	return nil
}

// readSchema is the schema version of the pool, "" for a pool without one.
func (s *Store) readSchema(ctx context.Context) (v string, err error) {
	err = s.retryUnstable(ctx, s.rdb, func() error {
		v, err = s.rdb.HGet(ctx, s.key("meta"), "schema").Result()
		return unlessNil(err)
	})
	return v, err
}

func (s *Store) foreign(has string) error {
	return &task.SchemaError{Pool: s.pool, Has: has, Knows: schema}
}
