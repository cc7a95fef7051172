package pooltest_test

import (
	"context"
	"testing"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
	"github.com/ltsworker/ltsworker/task"
)

func TestOutcomesHaveTheLogThatThePoolKeeps(t *testing.T) {
	for max, want := range map[int]string{0: "to ann\n", 4: "ann\n", task.NoLog: ""} {
		p := pooltest.New(t, pool.Config{MaxLog: max})
		pool.Handle(p.Pool, func(_ context.Context, t *pool.Task[Mail]) error {
			t.Logf("to %s", t.Args.To)
			return nil
		})
		if o := p.Call(t, Mail{"ann"}); o.Log != want {
			t.Errorf("call with %d: %q, want %q", max, o.Log, want)
		}
		mustEnqueue(t, p, Mail{"ann"})
		if os := p.Drain(t); len(os) != 1 || os[0].Log != want {
			t.Errorf("drain with %d: %+v, want %q", max, os, want)
		}
	}
}
