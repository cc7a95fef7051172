package template

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestTraceIsInVariables(t *testing.T) {
	ctx := task.WithTraceHeaders(t.Context(), func(context.Context) map[string]string {
		return map[string]string{"traceparent": "00-a-b-01", "x-b3.id": "1", "bad": "a\nb", "nul": "\x00"}
	})
	if diff := cmp.Diff([]string{"TRACEPARENT=00-a-b-01", "X_B3_ID=1"}, TraceEnv(ctx)); diff != "" {
		t.Error(diff)
	}
	if env := TraceEnv(t.Context()); env != nil {
		t.Errorf("without a trace the variables are %v", env)
	}
}
