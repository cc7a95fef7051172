package config

import (
	"errors"

	"github.com/ltsworker/ltsworker/task"
)

// FieldErrors lists every refused field inside err.
func FieldErrors(err error) []*task.FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *task.FieldError:
		return []*task.FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*task.FieldError
		for _, one := range e.Unwrap() {
			all = append(all, FieldErrors(one)...)
		}
		return all
	default:
		return FieldErrors(errors.Unwrap(err))
	}
}
