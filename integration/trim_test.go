package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
)

// Tasks are enqueued and stopped while no replica is alive. The calls that
// append events trim the stream. It exceeds its bound by at most a thousand
// events and those of one step. make soak makes two million tasks under the
// default bound.
func TestStreamStaysBoundedWithoutAReplica(t *testing.T) {
	s := newSite(t)
	c := s.client()
	tasks, most, step := volume(5000, 2_000_000), volume(2000, 1_000_000), volume(500, 1000)
	if *soakFlag == 0 {
		if err := s.rdb.HSet(t.Context(), s.key("meta"), "events:max", most).Err(); err != nil {
			t.Fatal(err)
		}
	}
	specs, top := make([]pool.Spec, step), 0
	for made := 0; made < tasks; made += step {
		for i := range specs {
			specs[i] = pool.Spec{ID: fmt.Sprint(made + i), Kind: "k", Retain: new(time.Duration(0))}
		}
		enqueueAll(t, c, specs)
		if _, err := c.Stop(context.Background(), pool.Filter{States: []pool.State{pool.Waiting}}, "enough"); err != nil {
			t.Fatal(err)
		}
		st := stats(t, c)
		if st.Waiting != 0 || st.Ended[pool.Stopped] != int64(made+step) {
			t.Fatalf("%d wait, %d are stopped", st.Waiting, st.Ended[pool.Stopped])
		}
		top = max(top, st.Events)
	}
	if top < most || top > most+1000+step {
		t.Errorf("the stream had up to %d events, the bound is %d", top, most)
	}
}
