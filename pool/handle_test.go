package pool

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// pointerArgs has methods on the pointer that read a field.
type pointerArgs struct{ prefix, N string }

func (p *pointerArgs) Kind() string { return p.prefix + "pointer" }

func newTask(id, kind, payload string) *task.Task {
	return &task.Task{Spec: Spec{ID: id, Kind: kind, Payload: []byte(payload)}}
}

func TestPayloadIsDecodedIntoTheHandlersType(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		got := make(chan string, 10)
		reports := reportsOf(t, Config{}, func(p *Pool) {
			Handle(p, func(_ context.Context, t *Task[email]) error {
				got <- t.ID + " " + t.Args.To
				return nil
			})
		},
			newTask("a", "email.send", `{"to":"x"}`),
			newTask("b", "email.send", ` {"to":"y","new":1} `),
			newTask("c", "email.send", ``),
			newTask("d", "email.send", `null`),
			newTask("e", "email.send", "\n\t"))
		close(got)
		seen := map[string]bool{}
		for s := range got {
			seen[s] = true
		}
		want := map[string]bool{"a x": true, "b y": true, "c ": true, "d ": true, "e ": true}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
		for id, r := range reports {
			if r.Op != task.Succeed || r.Result != nil {
				t.Errorf("%s: %+v", id, r)
			}
		}
	})
}

func TestPayloadThatDoesNotDecodeFailsWithoutTheHandler(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		for _, payload := range []string{`{`, `[]`, `{"to":1}`, `{} {}`, "\x00\xff"} {
			r := reportsOf(t, Config{}, func(p *Pool) {
				Handle(p, func(context.Context, *Task[email]) error {
					t.Errorf("payload %q reached the handler", payload)
					return nil
				})
			}, newTask("a", "email.send", payload))["a"]
			if r.Op != task.Fail || r.Code != CodeBadPayload || !strings.Contains(r.Error, "email.send") {
				t.Errorf("payload %q: reported %+v", payload, r)
			}
		}
	})
}

func TestPointersWorkAsArguments(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		reports := reportsOf(t, Config{}, func(p *Pool) {
			HandleResult(p, func(_ context.Context, t *Task[*pointerArgs]) (string, error) { return t.Args.N, nil })
		}, newTask("a", "pointer", `{"N":"n"}`), newTask("b", "pointer", `null`), newTask("c", "pointer", ``))
		if got := string(reports["a"].Result); got != `"n"` {
			t.Errorf("a: %s", got)
		}
		for _, id := range []string{"b", "c"} {
			if got := string(reports[id].Result); got != `""` {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

func TestResultIsStoredAsJSON(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		result any
		err    error
		want   task.Report
	}{
		{"value", map[string]int{"n": 1}, nil, task.Report{Op: task.Succeed, Code: CodeOK, Result: []byte(`{"n":1}`)}},
		{"empty", "", nil, task.Report{Op: task.Succeed, Code: CodeOK, Result: []byte(`""`)}},
		{"nil", nil, nil, task.Report{Op: task.Succeed, Code: CodeOK}},
		{"nil pointer", (*int)(nil), nil, task.Report{Op: task.Succeed, Code: CodeOK}},
		{"with an error", 1, boom, task.Report{Op: task.Fail, Code: CodeError, Error: "boom"}},
		{"not JSON", math.NaN(), nil, task.Report{Op: task.Fail, Code: CodePermanent, Error: "encode the result: json: unsupported value: NaN"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faketime.Test(t, func(t *testing.T) {
				got := reportsOf(t, Config{}, func(p *Pool) {
					HandleResult(p, func(context.Context, *Task[email]) (any, error) { return tt.result, tt.err })
				}, newTask("a", "email.send", `{}`))["a"]
				got = task.Report{Op: got.Op, Code: got.Code, Result: got.Result, Error: got.Error}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestPanicOfAHandlerFailsTheAttempt(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		r := reportsOf(t, Config{}, func(p *Pool) {
			Handle(p, func(context.Context, *Task[email]) error { panic("boom") })
		}, newTask("a", "email.send", `{}`))["a"]
		if r.Op != task.Fail || r.Code != CodePanic || !strings.Contains(r.Error, "boom") {
			t.Errorf("reported %+v", r)
		}
	})
}

func TestHandlerErrorsReachTheReplicaUnchanged(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		errs := map[string]error{
			"permanent": Permanent(errors.New("x")),
			"after":     RetryAfter(errors.New("x"), time.Hour),
			"snooze":    Snooze(time.Minute),
		}
		var tasks []*task.Task
		for id := range errs {
			tasks = append(tasks, newTask(id, "email.send", ""))
		}
		got := reportsOf(t, Config{}, func(p *Pool) {
			Handle(p, func(_ context.Context, t *Task[email]) error { return errs[t.ID] })
		}, tasks...)
		if r := got["permanent"]; r.Op != task.Fail || r.Code != CodePermanent {
			t.Errorf("permanent: %+v", r)
		}
		if r := got["after"]; r.Op != task.Fail || !r.DelaySet || r.Delay != time.Hour {
			t.Errorf("retry after: %+v", r)
		}
		if r := got["snooze"]; r.Op != task.Release || r.Delay != time.Minute {
			t.Errorf("snooze: %+v", r)
		}
	})
}

func TestFirstMiddlewareIsOutermost(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		var order []string
		layer := func(name string) Middleware {
			return func(next Handler) Handler {
				return func(ctx context.Context, t *task.Task) ([]byte, error) {
					order = append(order, name+" in")
					defer func() { order = append(order, name+" out") }()
					return next(ctx, t)
				}
			}
		}
		reportsOf(t, Config{Middleware: []Middleware{layer("first"), layer("second")}}, func(p *Pool) {
			Handle(p, func(context.Context, *Task[email]) error {
				order = append(order, "handler")
				return nil
			})
		}, newTask("a", "email.send", ""))
		want := []string{"first in", "second in", "handler", "second out", "first out"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestInvalidHandlersPanic(t *testing.T) {
	handler := func(context.Context, *task.Task) ([]byte, error) { return nil, nil }
	for name, tt := range map[string]struct {
		do   func(*Pool)
		want string
	}{
		"bad kind":    {func(p *Pool) { p.HandleKind("a b", handler) }, "must not contain"},
		"no kind":     {func(p *Pool) { p.HandleKind("", handler) }, "must not be empty"},
		"nil":         {func(p *Pool) { p.HandleKind("a", nil) }, "nil"},
		"nil, typed":  {func(p *Pool) { Handle[email](p, nil) }, "nil"},
		"nil, result": {func(p *Pool) { HandleResult[email, int](p, nil) }, "nil"},
		"twice": {func(p *Pool) {
			p.HandleKind("email.send", handler)
			Handle(p, func(context.Context, *Task[email]) error { return nil })
		}, "already"},
		"after Run": {func(p *Pool) {
			p.HandleKind("a", handler)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := p.Run(ctx); err != nil {
				t.Error(err)
			}
			p.HandleKind("b", handler)
		}, "Run has been called"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q, want %q in it", got, tt.want)
				}
			}()
			tt.do(newTestPool(t, newRunnerStore(), Config{Queues: oneQueue}))
		})
	}
}
