package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/worker"
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
	if err := s.mayServe(ctx); err != nil {
		errs = append(errs, err)
	}
	info, err := home.Info(ctx).Result()
	if err != nil {
		return errors.Join(append(errs, s.fail(ctx, "check: INFO", err))...)
	}
	facts := parseInfo(info)
	add := func(severity worker.Severity, _, what, do string) {
		if severity == worker.SeverityError {
			errs = append(errs, s.fail(ctx, "check", advise(errors.New(what), do)))
		}
	}
	inspectVersion(facts, add)
	inspectEviction(facts, add)
	inspectRole(facts, add)
	return errors.Join(errs...)
}

// isRefused reports whether the server refused a call, or a command in a script,
// by its ACL.
func isRefused(err error) bool {
	msg := err.Error()
	return strings.HasPrefix(msg, "NOPERM") || strings.Contains(msg, "ACL failure in script") ||
		strings.Contains(msg, "can't run this command")
}

// deniedError is an ErrDenied in the words of Redis.
type deniedError struct{ error }

func (deniedError) Is(target error) bool { return target == worker.ErrDenied }

func (e deniedError) Unwrap() error { return e.error }

// mayWrite asks whether the user has the rights that the scripts need, and now and
// then whether the pool is of a schema that this program knows.
func (s *Store) mayWrite(ctx context.Context) error {
	if err := s.hasRights(ctx, false); err != nil {
		return err
	}
	return s.fail(ctx, "check schema", s.knowsSchema(ctx))
}

// mayServe is mayWrite for a replica, which sends more than scripts.
func (s *Store) mayServe(ctx context.Context) error {
	if err := s.hasRights(ctx, true); err != nil {
		return err
	}
	return s.fail(ctx, "check schema", s.knowsSchema(ctx))
}

// hasRights asks whether the user may run what the scripts need: before the first
// write of the store, and again when a script was refused. Redis checks the rights
// of a script's commands one by one, so a script could otherwise stop half-way. For
// a replica it asks each time, and for the commands beside the scripts, too: what
// waits for work is refused otherwise after it has joined.
func (s *Store) hasRights(ctx context.Context, replica bool) error {
	if s.writable.Load() && !replica {
		return nil
	}
	reply, err := s.run(ctx, rightsScript, replica)
	var answer redis.Error
	switch {
	case s.checkName() != nil:
		return err
	case err != nil && !errors.As(err, &answer):
		return s.fail(ctx, "reach Redis", err)
	case err != nil:
		return s.fail(ctx, "check rights", err)
	}
	refused := readReply("rights", reply).strings()
	if len(refused) > 0 {
		return s.fail(ctx, "check rights", fmt.Errorf("NOPERM this user may not run %s", strings.Join(refused, " ")))
	}
	s.writable.Store(true)
	return nil
}
