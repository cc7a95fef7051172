package main

import (
	"errors"

	"github.com/ltsworker/ltsworker/task"
)

// fieldErrors lists every refused field inside err.
func fieldErrors(err error) []*task.FieldError {
	switch e := err.(type) {
	case nil:
		return nil
	case *task.FieldError:
		return []*task.FieldError{e}
	case interface{ Unwrap() []error }:
		var all []*task.FieldError
		for _, one := range e.Unwrap() {
			all = append(all, fieldErrors(one)...)
		}
		return all
	default:
		return fieldErrors(errors.Unwrap(err))
	}
}
