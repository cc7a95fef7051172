package redisurl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// UnreachableError is returned when a Redis does not answer. Address holds no password.
type UnreachableError struct {
	Address string
	Err     error
}

func (e *UnreachableError) Error() string {
	reason := e.Err.Error()
	if isTimeout(e.Err) {
		reason = "no answer in time: " + reason
	}
	return fmt.Sprintf("cannot use Redis at %s: %s", e.Address, reason)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// RefusedError is returned when a Redis refuses the login, or the user lacks rights.
// Address holds no password.
type RefusedError struct {
	Address string
	Err     error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("cannot use Redis at %s: %v", e.Address, e.Err)
}
func (e *RefusedError) Unwrap() error { return e.Err }

// Unreachable returns err as an *UnreachableError with the address if it is a network
// error, else err itself.
func Unreachable(address string, err error) error {
	var named *UnreachableError
	if err == nil || errors.As(err, &named) || !IsNetwork(err) {
		return err
	}
	return &UnreachableError{Address: address, Err: err}
}

// IsNetwork reports whether err says that the connection to Redis failed or that an
// answer did not come in time.
func IsNetwork(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var op *net.OpError
	return errors.As(err, &op) || isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isTimeout reports whether err says that Redis did not answer a call in time. The end
// of a context is no such error, but a dial that takes too long is, although it wraps
// context.DeadlineExceeded.
func isTimeout(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Timeout()
	}
	var slow net.Error
	return !errors.Is(err, context.DeadlineExceeded) && errors.As(err, &slow) && slow.Timeout()
}
