package pooltest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// A test must not depend on what Admit measures, such as the load of the machine.
func TestRefusalOfAdmitKeepsNoTaskFromRunning(t *testing.T) {
	t.Parallel()
	p := pooltest.New(t, pool.Config{Admit: func(context.Context) error { return errors.New("the machine is busy") }})
	handleSum(p.Pool)
	mustEnqueue(t, p, Sum{1, 2})
	ended := make(chan pooltest.Outcomes)
	go func() { ended <- append(p.Drain(t), p.Call(t, Sum{3, 4})) }()
	select {
	case all := <-ended:
		all.RequireOK(t)
		if len(all) != 2 {
			t.Errorf("%v", all)
		}
	case <-time.After(time.Minute):
		t.Fatal("no end")
	}
}

func TestCallRunsAHandlerWhoseQueueSharesSlots(t *testing.T) {
	t.Parallel()
	p := pooltest.New(t, pool.Config{
		Queues: map[string]pool.Queue{pool.DefaultQueue: {Slots: "some"}, "other": {Slots: "some"}},
		Slots:  map[string]pool.Slots{"some": {Workers: 1}},
	})
	handleSum(p.Pool)
	pooltest.Outcomes{p.Call(t, Sum{1, 2})}.RequireOK(t)
}
