package redisurl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// UnreachableError names the Redis that cannot be used, without its password.
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

// Unreachable adds the address to an error that says that the connection to Redis
// broke.
func Unreachable(address string, err error) error {
	var named *UnreachableError
	if err == nil || errors.As(err, &named) || !IsNetwork(err) {
		return err
	}
	return &UnreachableError{Address: address, Err: err}
}

// IsNetwork reports whether err says that the connection to Redis broke, or that
// nothing comes over it any more.
func IsNetwork(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var op *net.OpError
	return errors.As(err, &op) || isTimeout(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isTimeout reports whether err says that Redis let a call wait too long. The end
// of the time that a command was given is something else, although a dial that
// takes too long calls itself by its name.
func isTimeout(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Timeout()
	}
	var slow net.Error
	return !errors.Is(err, context.DeadlineExceeded) && errors.As(err, &slow) && slow.Timeout()
}
