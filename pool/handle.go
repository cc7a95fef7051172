package pool

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	"github.com/ltsworker/ltsworker/task"
)

// Kinder is the arguments of one kind of task: a type that encodes to JSON and
// knows the kind's name. Kind is also called on a zero value and must not depend
// on the fields.
type Kinder interface {
	Kind() string // such as "image.resize"; for the characters see task.CheckName
}

// Task is a task with its payload decoded. It is read-only.
type Task[T any] struct {
	*task.Task
	Args T // its payload
}

// Handle makes fn the handler of T's kind. The payload is decoded as JSON: an
// empty one and null give a zero T, unknown fields are ignored so that producers
// may be newer than handlers, and one that does not decode fails the task with
// CodeBadPayload without calling fn.
//
// It panics if the kind already has a handler, its name is not valid or Run has been
// called, since these are mistakes of the program.
func Handle[T Kinder](p *Pool, fn func(ctx context.Context, t *Task[T]) error) {
	handle(p, fn == nil, func(ctx context.Context, t *Task[T]) ([]byte, error) {
		return nil, fn(ctx, t)
	})
}

// HandleResult is Handle for a function with a result, which is stored as JSON
// for Result and Wait. A result that encodes to null is no result. One that does
// not encode fails the task for good: the work was done, and repeating it would
// not help. The result that comes with an error is dropped.
func HandleResult[T Kinder, R any](p *Pool, fn func(ctx context.Context, t *Task[T]) (R, error)) {
	handle(p, fn == nil, func(ctx context.Context, t *Task[T]) ([]byte, error) {
		r, err := fn(ctx, t)
		if err != nil {
			return nil, err
		}
		result, err := json.Marshal(r)
		if err != nil {
			return nil, task.Permanent(fmt.Errorf("encode the result: %w", err))
		}
		if string(result) == "null" {
			return nil, nil
		}
		return result, nil
	})
}

// HandleKind makes h the handler of a kind, with the payload as it is: for
// executors that are not written for one Go type. It panics like Handle.
func (p *Pool) HandleKind(kind string, h Handler) {
	if err := checkName("kind", kind); err != nil {
		panic("pool: handle " + kind + ": " + err.Error())
	}
	if h == nil {
		panic("pool: handle " + kind + ": the handler is nil")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ran {
		panic("pool: handle " + kind + ": Run has been called; handlers come first")
	}
	if p.handlers[kind] != nil {
		panic("pool: handle " + kind + ": the kind already has a handler")
	}
	p.handlers[kind] = h
	if p.replica != nil {
		p.replica.Handle(kind, h)
	}
}

// Handlers returns the handlers by kind, in a map of the caller's own. They are as
// HandleKind takes them, without Config.Middleware: for tests, which run them by
// themselves, and for programs that list what they can do.
func (p *Pool) Handlers() map[string]Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.handlers)
}

func handle[T Kinder](p *Pool, isNil bool, fn func(ctx context.Context, t *Task[T]) ([]byte, error)) {
	kind := newArgs[T]().Kind()
	if isNil {
		p.HandleKind(kind, nil) // which says so
	}
	p.HandleKind(kind, func(ctx context.Context, t *task.Task) ([]byte, error) {
		args, err := decode[T](t.Payload)
		if err != nil {
			return nil, task.BadPayload(fmt.Errorf("payload of kind %s: %w", kind, err))
		}
		return fn(ctx, &Task[T]{Task: t, Args: args})
	})
}

// newArgs returns a zero T or, if T is a pointer, one to a zero value: its methods may
// read fields.
func newArgs[T any]() (args T) {
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		args = reflect.New(t.Elem()).Interface().(T)
	}
	return args
}

// decode reads a payload; an empty one and null are those of newArgs.
func decode[T any](payload []byte) (T, error) {
	args := newArgs[T]()
	if b := bytes.TrimSpace(payload); len(b) == 0 || string(b) == "null" {
		return args, nil
	}
	err := json.Unmarshal(payload, &args)
	return args, err
}
