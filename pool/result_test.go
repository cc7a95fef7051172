package pool

import (
	"errors"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestResultOfATask(t *testing.T) {
	s := newFakeStore()
	p := newTestPool(t, s, Config{})
	for _, tk := range []task.Task{
		{Spec: Spec{ID: "done"}, State: Succeeded, Result: []byte("7")},
		{Spec: Spec{ID: "none"}, State: Succeeded},
		{Spec: Spec{ID: "text"}, State: Succeeded, Result: []byte("seven")},
		{Spec: Spec{ID: "live"}, State: task.Running},
		{Spec: Spec{ID: "stopped"}, State: Stopped, Code: CodeStopped, StopWhy: "enough"},
	} {
		s.put(&tk)
	}
	ctx := t.Context()
	if n, err := Result[int](ctx, p, "done"); n != 7 || err != nil {
		t.Errorf("done: %d, %v", n, err)
	}
	if n, err := Result[*int](ctx, p, "none"); n != nil || err != nil {
		t.Errorf("none: %v, %v", n, err)
	}
	if _, err := Result[int](ctx, p, "text"); err == nil {
		t.Error("text: no error")
	}
	if _, err := Result[int](ctx, p, "live"); !errors.Is(err, ErrNotEnded) {
		t.Errorf("live: %v", err)
	}
	if _, err := Result[int](ctx, p, "nobody"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such task: %v", err)
	}
	var e *TaskError
	if _, err := Result[int](ctx, p, "stopped"); !errors.As(err, &e) || e.Message != "enough" {
		t.Errorf("stopped: %v", err)
	}
	_, err := Result[int](ctx, p, "a b")
	wantFields(t, err, "id")
	_, err = Wait[int](ctx, p, "a b")
	wantFields(t, err, "id")
	_, err = p.History(ctx, "")
	wantFields(t, err, "id")
}
