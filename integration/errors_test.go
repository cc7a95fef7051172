package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Where there is no Redis, an error begins with what was tried, and no part of it is
// said twice: the store names the step, the pool what it was for where that is
// something else.
func TestErrorsSayOnceWhatFailed(t *testing.T) {
	nowhere := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { nowhere.Close() })
	p, err := pool.New(redisstore.New(nowhere, "default"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, one := t.Context(), pool.Filter{IDs: []string{"t"}}
	for tried, call := range map[string]func() error{
		"enqueue":           func() error { _, err := p.EnqueueAll(ctx, []pool.Spec{{Kind: "k"}}); return err },
		"get task t":        func() error { _, err := p.Get(ctx, "t"); return err },
		"find tasks":        func() error { _, err := p.Find(ctx, "t"); return err },
		"history of task t": func() error { _, err := p.History(ctx, "t"); return err },
		"stop":              func() error { _, err := p.Stop(ctx, one, ""); return err },
		"retry":             func() error { _, err := p.Retry(ctx, one); return err },
		"delete":            func() error { _, err := p.Delete(ctx, one); return err },
		"stats":             func() error { _, err := p.Stats(ctx); return err },
		"groups":            func() error { _, _, err := p.Groups(ctx); return err },
		"replicas":          func() error { _, err := p.Replicas(ctx); return err },
		"drain":             func() error { _, err := p.Drain(ctx, "r"); return err },
		"maintain":          func() error { _, err := p.Maintain(ctx); return err },
		"check":             func() error { return p.Check(ctx) },
		"set limit":         func() error { return p.SetLimit(ctx, pool.QueueScope, "q", 1) },
		"pause":             func() error { return p.Pause(ctx, "q") },
		"forget queue q":    func() error { return p.ForgetQueue(ctx, "q") },
		"tasks":             func() error { return last(p.Tasks(ctx, pool.Filter{})) },
		"events":            func() error { return last(p.Events(ctx, "")) },
		"inspect":           func() error { return last(p.Inspect(ctx, pool.Inspection{})) },
	} {
		err := call()
		if err == nil {
			t.Errorf("%s worked without a Redis", tried)
			continue
		}
		parts := strings.Split(err.Error(), ": ")
		said := slices.Compact(slices.Clone(parts))
		if parts[0] != tried || len(said) != len(parts) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("the error is %q, want one that begins with %q and repeats nothing", err, tried)
		}
	}
}

// last is the last error of a sequence.
func last[T any](seq func(yield func(T, error) bool)) (err error) {
	for _, err = range seq {
	}
	return err
}
