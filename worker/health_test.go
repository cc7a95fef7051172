package worker

import (
	"context"
	"testing"
	"time"
)

func TestHealthTellsOfAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newRig(t, Config{})
		g.r.Handle("job", func(context.Context, *Task) ([]byte, error) { return nil, nil })
		if h := g.r.Health(); h.Joined || h.Failing != 0 {
			t.Errorf("before Run: %+v", h)
		}
		g.run()
		g.store.setFault(func(string) fault { return fail })
		g.pass(time.Minute)
		if h := g.r.Health(); !h.Joined || h.Failing < 30*time.Second {
			t.Errorf("in an outage: %+v", h)
		}
		g.store.setFault(func(string) fault { return none })
		g.pass(5 * time.Second)
		if h := g.r.Health(); h.Failing != 0 {
			t.Errorf("after it: %+v", h)
		}
		if err := g.end(); err != nil {
			t.Error(err)
		}
	})
}
