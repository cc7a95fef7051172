package metrics_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/observe/metrics"
	"github.com/ltsworker/ltsworker/pool"
)

func TestAutoscalerGetsWhatTheQueuesCanUse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.client()
	ctx := t.Context()
	for queue, n := range map[string]int{"plain": 5, "limited": 6, "paused": 7, "other": 1} {
		specs := make([]pool.Spec, n)
		for i := range specs {
			specs[i] = pool.Spec{Kind: "k", Queue: queue}
		}
		s.enqueue(p, specs...)
	}
	if err := p.SetLimit(ctx, pool.QueueScope, "limited", 2); err != nil {
		t.Fatal(err)
	}
	if err := p.Pause(ctx, "paused"); err != nil {
		t.Fatal(err)
	}
	c := metrics.NewCollector(p, fresh).Scale()
	for query, want := range map[string]metrics.Scale{
		"":                             {Queues: []string{}, Waiting: 19, Total: 19, Runnable: 8},
		"?queue=plain":                 {Queues: []string{"plain"}, Waiting: 5, Total: 5, Runnable: 5},
		"?queue=limited":               {Queues: []string{"limited"}, Waiting: 6, Total: 6, Runnable: 2},
		"?queue=paused":                {Queues: []string{"paused"}, Waiting: 7, Total: 7, Runnable: 0},
		"?queue=plain&queue=limited":   {Queues: []string{"plain", "limited"}, Waiting: 11, Total: 11, Runnable: 7},
		"?queue=none":                  {Queues: []string{"none"}},
		"?queue=other&queue=no%20name": {Queues: []string{"other", "no name"}, Waiting: 1, Total: 1, Runnable: 1},
	} {
		want.Pool = s.name
		body, code := get(t, c, "/scale"+query)
		var got metrics.Scale
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatal(query, code, body, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	if err := p.SetLimit(ctx, pool.PoolScope, "", 3); err != nil {
		t.Fatal(err)
	}
	body, _ := get(t, c, "/scale")
	var got metrics.Scale
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Runnable != 3 {
		t.Errorf("with a limit of the pool: %s, %v", body, err)
	}
}
