package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
)

// schema is SchemaVersion; a variable so that tests can build a program of
// another version (go build -ldflags "-X …/redisstore.schema=2").
var schema = SchemaVersion

// schemaAgain is how long a store trusts what it read of the pool's schema.
const schemaAgain = time.Minute

// readSchema is the schema version of the pool, "" for a pool without one.
func (s *Store) readSchema(ctx context.Context) (string, error) {
	var v string
	err := s.settle(ctx, s.rdb, func() (err error) {
		v, err = s.rdb.HGet(ctx, s.key("meta"), "schema").Result()
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return err
	})
	return v, err
}

// knowsSchema refuses to change a pool that a program of another schema wrote.
// It asks at most once a minute.
func (s *Store) knowsSchema(ctx context.Context) error {
	if last := s.schemaRead.Load(); last != nil && time.Since(*last) < schemaAgain {
		return nil
	}
	v, err := s.readSchema(ctx)
	if err != nil {
		return err
	}
	if v != "" && v != schema {
		return s.foreign(v)
	}
	if v != "" {
		now := time.Now()
		s.schemaRead.Store(&now)
	}
	return nil
}

// marksSchema is knowsSchema for the first task of a pool, which may come before
// its first replica.
func (s *Store) marksSchema(ctx context.Context) error {
	if s.schemaRead.Load() != nil {
		return nil // mayWrite has just looked
	}
	if err := s.rdb.HSetNX(ctx, s.key("meta"), "schema", schema).Err(); err != nil {
		return err
	}
	return s.knowsSchema(ctx)
}

func (s *Store) foreign(has string) error {
	return &worker.SchemaError{Pool: s.pool, Has: has, Knows: schema}
}

// inspectSchema reports whether the pool's keys are of the kind that this
// program knows.
func (s *Store) inspectSchema(ctx context.Context, add adder) (known bool, err error) {
	v, err := s.readSchema(ctx)
	switch {
	case isWrongType(err): // the walk tells
	case err != nil:
		return false, err
	case v == "":
		add(worker.SeverityNote, "schema", "the pool has no version yet: nothing was enqueued and no replica has joined", "")
	case v != schema:
		add(worker.SeverityError, "schema", s.foreign(v).Error(), "no entry was looked at")
		return false, nil
	default:
		add(worker.SeverityOK, "schema", "version "+v, "")
	}
	return true, nil
}
