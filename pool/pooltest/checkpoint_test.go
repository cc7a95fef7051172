package pooltest_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
)

// paged continues at the page of its checkpoint. It writes one page per attempt, and the page in its
// meta.
func paged(ctx context.Context, t *pool.Task[Mail]) error {
	page := 0
	if _, err := t.ReadCheckpoint(&page); err != nil {
		return err
	}
	if err := t.Checkpoint(ctx, page+1); err != nil {
		return err
	}
	if err := t.SetMeta("pages", string(rune('1'+page))); err != nil {
		return err
	}
	switch {
	case t.Args.To == "nobody":
		return errors.New("no such address")
	case page < 2:
		return pool.Snooze(time.Minute)
	}
	return nil
}

func TestCallPassesCheckpointAndMeta(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	pool.Handle(p.Pool, paged)
	for _, c := range []struct {
		opts             []pooltest.CallOption
		code             pool.Code
		checkpoint, meta string
	}{
		{nil, pool.CodeReleased, "1", "1"},
		{[]pooltest.CallOption{pooltest.Checkpoint(1)}, pool.CodeReleased, "2", "2"},
		{[]pooltest.CallOption{pooltest.Checkpoint([]byte("2"))}, pool.CodeOK, "3", "3"},
	} {
		o := p.Call(t, Mail{"ann"}, c.opts...)
		if o.Code != c.code || string(o.Checkpoint) != c.checkpoint || !maps.Equal(o.Meta, map[string]string{"pages": c.meta}) {
			t.Errorf("%v with the checkpoint %q and the meta %v", o, o.Checkpoint, o.Meta)
		}
	}
	if o := p.Call(t, Mail{"ann"}, pooltest.Checkpoint("no number")); o.OK() || string(o.Checkpoint) != `"no number"` || o.Meta != nil {
		t.Errorf("%v with the checkpoint %q and the meta %v", o, o.Checkpoint, o.Meta)
	}
}

func TestDrainKeepsCheckpointsAndDeliversMeta(t *testing.T) {
	var last []pool.Event
	p := pooltest.New(t, pool.Config{OnFinish: func(_ context.Context, e pool.Event) { last = append(last, e) }})
	pool.Handle(p.Pool, paged)
	id := mustEnqueue(t, p, Mail{"ann"}, pool.Headers(map[string]string{"trace": "t1", "pages": "header"})).ID
	for page := 1; page <= 3; page++ {
		os := p.Drain(t)
		if len(os) != 1 || os[0].OK() != (page == 3) || os[0].Meta["pages"] != string(rune('0'+page)) {
			t.Fatalf("page %d: %+v", page, os)
		}
		if page < 3 {
			if got, err := p.Get(t.Context(), id); err != nil || string(got.LastCheckpoint) != string(rune('0'+page)) {
				t.Fatalf("page %d: the checkpoint is %q, %v", page, got.LastCheckpoint, err)
			}
		}
		p.Advance(t, time.Minute)
	}
	if len(last) != 1 || !maps.Equal(last[0].Meta, map[string]string{"trace": "t1", "pages": "3"}) {
		t.Errorf("the last event: %+v", last)
	}

	id = mustEnqueue(t, p, Mail{"nobody"}).ID
	p.Drain(t)
	if got, err := p.Get(t.Context(), id); err != nil || got.LastCheckpoint != nil {
		t.Errorf("the checkpoint of a failed attempt is %q, %v", got.LastCheckpoint, err)
	}
}
