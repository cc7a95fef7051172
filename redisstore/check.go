package redisstore

import (
	"context"
	"errors"

	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/task"
)

// Check returns an error for everything that keeps Redis from serving a pool well: a
// server that cannot be reached, is too old, is read-only or may evict keys, missing
// rights, and a pool of another schema version.
func (s *Store) Check(ctx context.Context) error {
	if err := s.checkName(); err != nil {
		return err
	}
	primary, err := s.primary(ctx)
	if err == nil {
		err = primary.Ping(ctx).Err()
	}
	if err != nil {
		return s.fail(ctx, "check", err)
	}
	var errs []error
	if err := s.ready(ctx, serves); err != nil {
		errs = append(errs, err)
	}
	info, err := primary.Info(ctx).Result()
	if isReply(err) && !isRefused(err) {
		err = advise(errors.New("the server refuses INFO, so its version, its eviction policy and its role were not checked"), neededVersion)
	}
	if err != nil {
		return errors.Join(append(errs, s.fail(ctx, "check: INFO", err))...)
	}
	facts := parseInfo(info)
	add := func(code string, values ...findings.Value) {
		if f := findings.New(code, values...); f.Severity == task.SeverityError {
			errs = append(errs, s.fail(ctx, "check", advise(errors.New(f.What), f.Do)))
		}
	}
	inspectEviction(facts, add)
	inspectRole(facts, add)
	return errors.Join(errs...)
}

// inspectSchema reports whether the pool has the schema version of this program, or none
// yet.
func (s *Store) inspectSchema(ctx context.Context, add adder) (known bool, err error) {
	v, err := s.readSchema(ctx)
	switch {
	case isWrongType(err): // the walk reports it
	case err != nil:
		return false, err
	case v == "":
		add("schema_none")
	case v != schema:
		add("schema_other", named("error", s.schemaError(v).Error()))
		return false, nil
	default:
		add("schema_ok", named("version", v))
	}
	return true, nil
}
