package pool

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestSettingsReachTheStore(t *testing.T) {
	s := newFakeStore()
	var got []task.Setting
	s.configured = func(set task.Setting) error {
		got = append(got, set)
		return nil
	}
	p := newTestPool(t, s, Config{})
	ctx := t.Context()
	if err := errors.Join(
		p.Pause(ctx, "q"), p.Resume(ctx, "q"), p.Pause(ctx, ""), p.Resume(ctx, ""),
		p.SetLimit(ctx, PoolScope, "", 5), p.SetLimit(ctx, QueueScope, "q", 0),
		p.SetLimit(ctx, GroupScope, "g", 1), p.SetLimit(ctx, GroupsScope, "", 2),
		p.SetLimit(ctx, GroupScope, "h", NoLimit),
	); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	limit := func(n int) *int { return &n }
	want := []task.Setting{
		{Scope: QueueScope, Name: "q", Pause: &yes},
		{Scope: QueueScope, Name: "q", Pause: &no},
		{Scope: PoolScope, Pause: &yes},
		{Scope: PoolScope, Pause: &no},
		{Scope: PoolScope, Limit: limit(5)},
		{Scope: QueueScope, Name: "q", Limit: limit(0)},
		{Scope: GroupScope, Name: "g", Limit: limit(1)},
		{Scope: GroupsScope, Limit: limit(2)},
		{Scope: GroupScope, Name: "h", Limit: limit(NoLimit)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInvalidSettingsAreRefusedWithoutCallingTheStore(t *testing.T) {
	p := newTestPool(t, newFakeStore(), Config{})
	ctx := t.Context()
	wantFields(t, p.Pause(ctx, "a b"), "queue")
	wantFields(t, p.Resume(ctx, "{"), "queue")
	wantFields(t, p.SetLimit(ctx, QueueScope, "", -2), "queue", "limit")
	wantFields(t, p.SetLimit(ctx, GroupScope, "a b", 1), "group")
	wantFields(t, p.SetLimit(ctx, PoolScope, "media", 1), "name")
	wantFields(t, p.SetLimit(ctx, "what", "", 1), "scope")
}
