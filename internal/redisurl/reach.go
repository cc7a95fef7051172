package redisurl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/task"
)

// connectTimeout bounds the check that Redis answers.
const connectTimeout = 5 * time.Second

// Reach makes sure that Redis answers. It asks once and does not insist: whoever
// typed the wrong address shall know soon.
func (p *Target) Reach(ctx context.Context) error {
	rdb := p.probe()
	defer rdb.Close()
	late, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := rdb.Ping(late).Err(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// Whoever may not ping, but may run scripts, does without.
		if IsDenied(err) && rdb.Eval(late, "return 1", nil).Err() == nil {
			return nil
		}
		return &UnreachableError{Address: p.Address, Err: advise(err, p.plain())}
	}
	return nil
}

// advise says what to do about the answers that a server gives to strangers. plain
// says that it was spoken to without TLS.
func advise(err error, plain bool) error {
	msg := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v", connectTimeout)
	case plain && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)):
		return errors.New("it closed the connection: does it want TLS, rediss://?")
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

// IsDenied reports whether err says that the user lacks a right.
func IsDenied(err error) bool {
	var answer redis.Error
	return errors.Is(err, task.ErrDenied) || errors.As(err, &answer) && redis.HasErrorPrefix(answer, "NOPERM")
}
