package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
)

// Without a Redis, an error begins with the step that failed, as the store
// names it. Where the purpose adds information, it comes first. No part of an
// error is repeated.
func TestErrorsSayOnceWhatFailed(t *testing.T) {
	nowhere := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { nowhere.Close() })
	p, err := pool.New(redisstore.New(nowhere, "default"), pool.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, one := t.Context(), pool.Filter{IDs: []string{"t"}}
	for _, c := range []struct {
		begins string
		call   func() error
	}{
		{"reach Redis", func() error { _, err := p.EnqueueSpec(ctx, pool.Spec{Kind: "k"}); return err }},
		{"enqueue", func() error { _, err := p.EnqueueAll(ctx, []pool.Spec{{Kind: "k"}}); return err }},
		{"task t: get", func() error { _, err := p.Get(ctx, "t"); return err }},
		{"get", func() error { _, err := p.Find(ctx, "t"); return err }},
		{"wait for task t: last event", func() error { _, err := p.WaitTask(ctx, "t"); return err }},
		{"task t: history", func() error { _, err := p.History(ctx, "t"); return err }},
		{"stop", func() error { _, err := p.Stop(ctx, one, ""); return err }},
		{"stop: list", func() error { _, err := p.Stop(ctx, pool.Filter{Kinds: []string{"k"}}, ""); return err }},
		{"retry", func() error { _, err := p.Retry(ctx, one); return err }},
		{"run now", func() error { _, err := p.RunNow(ctx, one); return err }},
		{"delete", func() error { _, err := p.Delete(ctx, one); return err }},
		{"stats", func() error { _, err := p.Stats(ctx); return err }},
		{"stats", func() error { _, err := p.Load(ctx); return err }},
		{"groups", func() error { _, _, err := p.Groups(ctx); return err }},
		{"replicas", func() error { _, err := p.Replicas(ctx); return err }},
		{"drain", func() error { _, err := p.Drain(ctx, "r"); return err }},
		{"maintain", func() error { _, err := p.Maintain(ctx); return err }},
		{"check", func() error { return p.Check(ctx) }},
		{"reach Redis", func() error { return p.SetLimit(ctx, pool.QueueScope, "q", 1) }},
		{"reach Redis", func() error { return p.Pause(ctx, "q") }},
		{"queue q: reach Redis", func() error { return p.ForgetQueue(ctx, "q") }},
		{"rejected", func() error { return last(p.Rejected(ctx)) }},
		{"get rejected entry", func() error { _, err := p.GetRejected(ctx, "1-0"); return err }},
		{"rejected entry 1-0: put back", func() error { return p.PutBack(ctx, "1-0", nil) }},
		{"drop rejected", func() error { _, err := p.DropRejected(ctx, "1-0"); return err }},
		{"list", func() error { return last(p.Tasks(ctx, pool.Filter{})) }},
		{"events", func() error { return last(p.Events(ctx, "")) }},
		{"inspect", func() error { return last(p.Inspect(ctx, pool.Inspection{})) }},
	} {
		err := c.call()
		if err == nil {
			t.Errorf("%s: it succeeded without a Redis", c.begins)
			continue
		}
		text := err.Error()
		if !strings.HasPrefix(text, c.begins+": ") || !strings.Contains(text, "refused") {
			t.Errorf("the error is %q, want one that begins with %q", text, c.begins)
		}
		var said []string // the first words of the parts
		for _, part := range strings.Split(text, ": ") {
			verb, _, _ := strings.Cut(part, " ")
			if slices.Contains(said, verb) {
				t.Errorf("the error %q repeats %q", text, verb)
			}
			said = append(said, verb)
		}
	}
}

// last is the last error of a sequence.
func last[T any](seq func(yield func(T, error) bool)) (err error) {
	for _, err = range seq {
	}
	return err
}
