package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
)

// unreachableError names the Redis that cannot be used, without its password.
type unreachableError struct {
	address string
	err     error
}

func (e *unreachableError) Error() string {
	reason := e.err.Error()
	if isTimeout(e.err) {
		reason = "no answer in time: " + reason
	}
	return fmt.Sprintf("cannot use Redis at %s: %s", e.address, reason)
}

func (e *unreachableError) Unwrap() error { return e.err }

// unreachable adds the address to an error that says that the connection to Redis
// broke.
func unreachable(address string, err error) error {
	var named *unreachableError
	if err == nil || errors.As(err, &named) || !isNetwork(err) {
		return err
	}
	return &unreachableError{address: address, err: err}
}

// isNetwork reports whether err says that the connection to Redis broke, or that
// nothing comes over it any more.
func isNetwork(err error) bool {
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
