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

// schema is SchemaVersion. It is a variable so that tests can build a program of another
// version (go build -ldflags "-X …/redisstore.schema=3").
var schema = SchemaVersion

// schemaTTL is how long a store uses the schema version that it read.
const schemaTTL = time.Minute

// need says what a store checks before a call.
type need int

const (
	nothing need = iota // only that the name of the pool is valid
	reads               // that the pool has no other schema version
	writes              // that the user may run the commands of the scripts
	creates             // as writes; a pool without a schema version gets one
	serves              // as writes; also a replica's other commands, and the server's version
)

// access has the results of a store's checks.
type access struct {
	changes    atomic.Bool               // a call has needed more than to read
	granted    atomic.Bool               // the user may run the commands of the scripts
	schemaRead atomic.Pointer[time.Time] // when the pool's schema version was read; nil for not yet
}

// ready checks what a call needs: the pool's name, the user's rights and the pool's
// schema version. It checks the rights once, and again after a permission was denied. It
// checks those of a replica and the server's version each time. It reads the schema
// version once a minute.
func (s *Store) ready(ctx context.Context, need need) error {
	if err := s.checkName(); err != nil || need == nothing {
		return err
	}
	if need >= writes && !s.access.changes.Load() {
		s.access.changes.Store(true)
	}
	if need >= writes && (need == serves || !s.access.granted.Load()) {
		if err := s.checkRights(ctx, need == serves); err != nil {
			return s.notReady(ctx, "check rights", err)
		}
	}
	if need == serves {
		if err := s.checkVersion(ctx); err != nil {
			return s.notReady(ctx, "check version", err)
		}
	}
	if last := s.access.schemaRead.Load(); last != nil && time.Since(*last) < schemaTTL {
		return nil
	}
	if err := s.checkSchema(ctx, need == creates); err != nil {
		return s.notReady(ctx, "check schema", err)
	}
	return nil
}

func (s *Store) notReady(ctx context.Context, doing string, err error) error {
	var answer redis.Error
	if !errors.As(err, &answer) {
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

// checkRights returns an error unless the user may run all commands of the scripts. Redis
// checks them one by one as a script runs, so a script could otherwise stop half-way.
func (s *Store) checkRights(ctx context.Context, replica bool) error {
	reply, err := s.call(ctx, rightsScript, replica)
	if err != nil {
		return err
	}
	refused, err := decodeRights(reply)
	if refused != "" {
		return refusal("NOPERM " + refused)
	}
	s.access.granted.Store(err == nil)
	return err
}

// ReadOnly reports whether the user may run all commands that read the pool and none that
// changes it.
func (s *Store) ReadOnly(ctx context.Context) (bool, error) {
	reply, err := s.run(ctx, rightsScript, false)
	if err != nil {
		return false, s.fail(ctx, "check rights", err)
	}
	lacks, err := decodeRights(reply)
	return lacks == onlyReads, err
}

// onlyReads is what a user lacks who may run all commands that read and none that writes.
const onlyReads = "this user may read the pool, and change nothing"

// mayNotRun begins what another user lacks, before the names of the commands.
const mayNotRun = "this user may not run "

// decodeRights returns what the user lacks, "" for nothing.
func decodeRights(reply any) (lacks string, err error) {
	r := readReply("rights", reply)
	reader, refused := r.int() == 1, r.strings()
	switch {
	case r.err != nil:
		return "", r.err
	case reader:
		return onlyReads, nil
	case len(refused) > 0:
		return mayNotRun + strings.Join(refused, " "), nil
	}
	return "", nil
}

// checkVersion returns an error if the server reports a version that is too old. A server
// that refuses INFO is accepted.
func (s *Store) checkVersion(ctx context.Context) error {
	primary, err := s.primary(ctx)
	if err != nil {
		return err
	}
	info, err := primary.Info(ctx, "server").Result()
	if err != nil && !isReply(err) {
		return err
	}
	if facts := parseInfo(info); facts.old() {
		return advise(refusal("Redis "+facts["redis_version"]+" is too old"), neededVersion)
	}
	return nil
}

// refusal is an error with a text like that of Redis.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) RedisError()     {}

// checkSchema returns an error if the pool has another schema version. If the pool has
// none yet and mark is true, it writes this program's.
func (s *Store) checkSchema(ctx context.Context, mark bool) error {
	has, err := s.readSchema(ctx)
	if err == nil && has == "" && mark {
		err = s.retryUnstable(ctx, s.rdb, func() error { return s.rdb.HSetNX(ctx, s.key("meta"), "schema", schema).Err() })
		if err == nil {
			has, err = s.readSchema(ctx) // another program may have written its own first
		}
	}
	switch {
	case err != nil:
		return err
	case has == schema:
		now := time.Now()
		s.access.schemaRead.Store(&now)
	case has != "":
		return s.schemaError(has)
	}
	return nil
}

// readSchema returns the schema version of the pool, "" if it has none.
func (s *Store) readSchema(ctx context.Context) (v string, err error) {
	err = s.retryUnstable(ctx, s.rdb, func() error {
		v, err = s.rdb.HGet(ctx, s.key("meta"), "schema").Result()
		return ignoreNil(err)
	})
	return v, err
}

// Exists reports whether the pool has settings or an inbox. Programs that read a pool do not
// make one. Exists reads the schema version, which the next call then does not read again.
func (s *Store) Exists(ctx context.Context) (bool, error) {
	if err := s.ready(ctx, reads); err != nil {
		return false, err
	}
	if s.access.schemaRead.Load() != nil {
		return true, nil
	}
	var n int64
	err := s.commands(ctx, func(rdb redis.UniversalClient) (err error) {
		n, err = rdb.Exists(ctx, s.key("meta"), s.key("inbox")).Result()
		return err
	})
	return n > 0, s.fail(ctx, "exists", err)
}

func (s *Store) schemaError(has string) error {
	return &task.SchemaError{Pool: s.pool, Has: has, Knows: schema}
}
