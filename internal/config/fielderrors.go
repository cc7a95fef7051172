package config

import (
	"errors"

	"github.com/ltsworker/ltsworker/task"
)

// FieldErrors returns every *task.FieldError inside err, also of joined errors.
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
