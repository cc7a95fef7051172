package redisurl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// connectTimeout bounds Reach.
const connectTimeout = 5 * time.Second

// Reach checks that Redis answers, within 5 seconds and without a retry, so that a
// wrong address is reported soon. A server that refuses the login or lacks rights for
// the user is a *RefusedError, another one that cannot be used an *UnreachableError,
// both with advice. If ctx ends, Reach returns the cause.
func (p *Target) Reach(ctx context.Context) error {
	rdb := p.probe()
	defer rdb.Close()
	late, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := rdb.Ping(late).Err(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// A user that may run scripts but not PING can use the server.
		if IsDenied(err) && rdb.Eval(late, "return 1", nil).Err() == nil {
			return nil
		}
		advised := advise(err, p.plain())
		if refuses(err) {
			return &RefusedError{Address: p.Address, Err: advised}
		}
		return &UnreachableError{Address: p.Address, Err: advised}
	}
	return nil
}

// advise returns what to do about an error of the first call. plain says that the
// connection has no TLS and is not a Unix socket.
func advise(err error, plain bool) error {
	msg := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v", connectTimeout)
	case plain && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return errors.New("it closed the connection: if it requires TLS, use rediss://")
	case strings.HasPrefix(msg, "NOAUTH"):
		return errors.New("it needs a password: set LTS_REDIS to redis://:PASSWORD@HOST:PORT/DB, or pass --redis @FILE")
	case strings.HasPrefix(msg, "WRONGPASS"), strings.HasPrefix(msg, "ERR invalid password"):
		return errors.New("it refuses the user name or password")
	case strings.HasPrefix(msg, "NOPERM") && !strings.Contains(msg, "ping"):
		return fmt.Errorf("its user may not do what this needs: %w", err)
	case strings.HasPrefix(msg, "NOPERM"):
		return fmt.Errorf("its user may not do what this needs (one that may only push to the inbox enqueues with RPUSH): %w", err)
	}
	return err
}

// refuses reports whether the server answered that it does not accept the user.
func refuses(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && slices.ContainsFunc([]string{"NOAUTH", "WRONGPASS", "ERR invalid password", "NOPERM"},
		func(prefix string) bool { return strings.HasPrefix(err.Error(), prefix) })
}

// IsDenied reports whether err says that the user lacks a permission.
func IsDenied(err error) bool {
	var answer redis.Error
	return errors.Is(err, task.ErrDenied) || errors.As(err, &answer) && redis.HasErrorPrefix(answer, "NOPERM")
}
