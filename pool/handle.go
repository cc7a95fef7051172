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

// Kinder is the type of the arguments of one kind of task. It encodes to JSON and
// returns the kind's name. Kind is also called on a zero value and must not depend on
// the fields.
type Kinder interface {
	Kind() string // such as "image.resize"; for the characters see task.CheckName
}

// Task is a task with its payload decoded. It is read-only.
type Task[T any] struct {
	*task.Task
	Args T // the decoded payload
}

// Handle sets fn as the handler of T's kind.
//
// The payload is decoded as JSON. An empty payload and null decode to a zero T. Unknown
// fields are ignored, so that producers may be newer than handlers. A payload that does
// not decode fails the task with CodeBadPayload; fn is not called.
//
// Handle panics if the kind already has a handler, if its name is invalid, or if Run
// has been called, because these are programming errors.
func Handle[T Kinder](p *Pool, fn func(ctx context.Context, t *Task[T]) error) {
	handle(p, fn == nil, func(ctx context.Context, t *Task[T]) ([]byte, error) {
		return nil, fn(ctx, t)
	})
}

// HandleResult is Handle for a function with a result, which is stored as JSON for
// Result and Wait. A result that encodes to null is no result. A result that does not
// encode fails the task without a retry, because the work was done. A result returned
// together with an error is dropped.
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

// HandleKind sets h as the handler of a kind. h gets the payload unchanged. It is for
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
		panic("pool: handle " + kind + ": Run has been called: set handlers before it")
	}
	if p.handlers[kind] != nil {
		panic("pool: handle " + kind + ": the kind already has a handler")
	}
	p.handlers[kind] = h
	if p.replica != nil {
		p.replica.Handle(kind, h)
	}
}

// Handlers returns a copy of the handlers by kind, without Config.Middleware. It is for
// tests that run handlers directly and for programs that list what they can run.
func (p *Pool) Handlers() map[string]Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.handlers)
}

func handle[T Kinder](p *Pool, isNil bool, fn func(ctx context.Context, t *Task[T]) ([]byte, error)) {
	kind := newArgs[T]().Kind()
	if isNil {
		p.HandleKind(kind, nil) // panics
	}
	p.HandleKind(kind, func(ctx context.Context, t *task.Task) ([]byte, error) {
		args, err := decode[T](t.Payload)
		if err != nil {
			return nil, task.BadPayload(fmt.Errorf("payload of kind %s: %w", kind, err))
		}
		return fn(ctx, &Task[T]{Task: t, Args: args})
	})
}

// newArgs returns a zero T. If T is a pointer it returns a pointer to a zero value,
// because its methods may read fields.
func newArgs[T any]() (args T) {
	if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
		args = reflect.New(t.Elem()).Interface().(T)
	}
	return args
}

// decode decodes a payload. An empty one and null give newArgs.
func decode[T any](payload []byte) (T, error) {
	args := newArgs[T]()
	if b := bytes.TrimSpace(payload); len(b) == 0 || string(b) == "null" {
		return args, nil
	}
	err := json.Unmarshal(payload, &args)
	return args, err
}
