package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

func TestUnconfirmedEnqueueReturnsTheReceipts(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	st := redisstore.New(rdb, s.pool, redisstore.WithWait(1, time.Millisecond)) // the server has no replicas
	t.Cleanup(func() { st.Close() })
	receipts, err := st.Enqueue(t.Context(), []task.Spec{{Kind: "k"}, {Kind: "k", ID: "x"}, {Kind: "k", ID: "x"}})
	if !errors.Is(err, redisstore.ErrNotReplicated) {
		t.Fatal(err)
	}
	if len(receipts) != 3 || receipts[0].ID == "" || receipts[0].State != task.Waiting || !receipts[2].Duplicate {
		t.Fatalf("receipts %+v", receipts)
	}
	if tasks, err := s.store.Get(t.Context(), receipts[0].ID, "x"); err != nil || tasks[0] == nil || tasks[1] == nil {
		t.Errorf("tasks %v, %v", tasks, err)
	}
}

func TestWaitForEverIsRefused(t *testing.T) {
	rdb := redisserver.Shared(t).Client(t)
	s := newSite(t, rdb)
	for _, timeout := range []time.Duration{0, time.Millisecond - 1, -time.Second} {
		st := redisstore.New(rdb, s.pool, redisstore.WithWait(1, timeout))
		t.Cleanup(func() { st.Close() })
		_, err := st.Enqueue(t.Context(), []task.Spec{{Kind: "k", ID: "x"}})
		var field *task.FieldError
		if !errors.As(err, &field) {
			t.Errorf("%v: %v, want a field error", timeout, err)
		}
	}
	if tasks, err := s.store.Get(t.Context(), "x"); err != nil || tasks[0] != nil {
		t.Errorf("tasks %v, %v", tasks, err)
	}
}
