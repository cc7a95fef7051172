package redisstore

import (
	"context"
	"errors"

	"github.com/ltsworker/ltsworker/task"
)

// Check reports everything that keeps Redis from serving a pool well: a server
// that cannot be reached, that is too old, read-only, or may evict keys, and
// rights that are missing.
func (s *Store) Check(ctx context.Context) error {
	if err := s.checkName(); err != nil {
		return err
	}
	home, err := s.home(ctx)
	if err == nil {
		err = home.Ping(ctx).Err()
	}
	if err != nil {
		return s.fail(ctx, "check", err)
	}
	var errs []error
	if err := s.ready(ctx, serves); err != nil {
		errs = append(errs, err)
	}
	info, err := home.Info(ctx).Result()
	if err != nil {
		return errors.Join(append(errs, s.fail(ctx, "check: INFO", err))...)
	}
	facts := parseInfo(info)
	add := func(severity task.Severity, _, what, do string) {
		if severity == task.SeverityError {
			errs = append(errs, s.fail(ctx, "check", advise(errors.New(what), do)))
		}
	}
	inspectVersion(facts, add)
	inspectEviction(facts, add)
	inspectRole(facts, add)
	return errors.Join(errs...)
}

// inspectSchema reports whether the pool's keys are of the schema that this program
// knows.
func (s *Store) inspectSchema(ctx context.Context, add adder) (known bool, err error) {
	v, err := s.readSchema(ctx)
	switch {
	case isWrongType(err): // the walk reports it
	case err != nil:
		return false, err
	case v == "":
		add(task.SeverityNote, "schema", "the pool has no version yet: no task was enqueued and no replica has joined", "")
	case v != schema:
		add(task.SeverityError, "schema", s.foreign(v).Error(), "no entry was inspected")
		return false, nil
	default:
		add(task.SeverityOK, "schema", "version "+v, "")
	}
	return true, nil
}
