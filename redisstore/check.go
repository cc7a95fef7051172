package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
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
		return s.fail("check", err)
	}
	var errs []error
	if err := s.mayWrite(ctx); err != nil {
		errs = append(errs, err)
	}
	info, err := home.Info(ctx).Result()
	if err != nil {
		return errors.Join(append(errs, s.fail("check: INFO", err))...)
	}
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = v
		}
	}
	if v, ok := fields["redis_version"]; ok {
		major, _, _ := strings.Cut(v, ".")
		if n, err := strconv.Atoi(major); err != nil || n < 7 {
			errs = append(errs, fmt.Errorf("check: Redis %s is too old: 7.0 or newer is needed", v))
		}
	}
	if p, ok := fields["maxmemory_policy"]; ok && p != "noeviction" {
		errs = append(errs, fmt.Errorf("check: maxmemory-policy is %s, which may remove tasks: set it to noeviction", p))
	}
	if fields["role"] == "slave" {
		errs = append(errs, errors.New("check: this server is a read-only replica: connect to its primary"))
	}
	return errors.Join(errs...)
}

// isRefused reports whether the server refused a call, or a command in a script,
// by its ACL.
func isRefused(err error) bool {
	msg := err.Error()
	return strings.HasPrefix(msg, "NOPERM") || strings.Contains(msg, "ACL failure in script") ||
		strings.Contains(msg, "can't run this command")
}

// mayWrite asks whether the user has the rights that the scripts need, and now and
// then whether the pool is of a schema that this program knows.
func (s *Store) mayWrite(ctx context.Context) error {
	if err := s.hasRights(ctx); err != nil {
		return err
	}
	return s.fail("check schema", s.knowsSchema(ctx))
}

// hasRights asks whether the user may run what the scripts need: before the first
// write of the store, and again when a script was refused. Redis checks the rights
// of a script's commands one by one, so a script could otherwise stop half-way.
func (s *Store) hasRights(ctx context.Context) error {
	if s.writable.Load() {
		return nil
	}
	reply, err := s.run(ctx, rightsScript)
	var answer redis.Error
	switch {
	case s.checkName() != nil:
		return err
	case err != nil && !errors.As(err, &answer):
		return s.fail("reach Redis", err)
	case err != nil:
		return s.fail("check rights", err)
	}
	refused := readReply("rights", reply).strings()
	if len(refused) > 0 {
		return s.fail("check rights", fmt.Errorf("NOPERM this user may not run %s", strings.Join(refused, " ")))
	}
	s.writable.Store(true)
	return nil
}
