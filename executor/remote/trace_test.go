package remote

import (
	"context"
	"testing"

	"github.com/ltsworker/ltsworker/task"
)

func TestRequestHasTheTraceOfTheAttempt(t *testing.T) {
	s := serve(t, nil)
	ctx := task.WithTraceHeaders(t.Context(), func(context.Context) map[string]string {
		return map[string]string{"traceparent": "00-a-b-01", "x-own": "no"}
	})
	h := s.handler(t, func(c *Config) { c.Headers = map[string]string{"X-Own": "mine"} })
	for _, ctx := range []context.Context{ctx, t.Context()} {
		if _, err := h(ctx, newTask("1")); err != nil {
			t.Fatal(err)
		}
	}
	if all := s.all(); all[0].Header.Get("Traceparent") != "00-a-b-01" || all[0].Header.Get("X-Own") != "mine" || all[1].Header.Get("Traceparent") != "" {
		t.Errorf("%v and %v", all[0].Header, all[1].Header)
	}
}
