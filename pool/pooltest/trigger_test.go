package pooltest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/pool/pooltest"
	"github.com/ltsworker/ltsworker/task"
)

// The clock is a fake one, because half a second may pass between two steps on a busy machine.
func TestDrainFiresTriggersThatAreDue(t *testing.T) {
	faketime.Test(t, drainFiresTriggers)
}

func drainFiresTriggers(t *testing.T) {
	p := pooltest.New(t, pool.Config{})
	var payloads []string
	p.HandleKind("k", func(_ context.Context, tk *task.Task) ([]byte, error) {
		payloads = append(payloads, string(tk.Payload))
		return nil, nil
	})
	err := p.Triggers().Set(t.Context(), pool.Trigger{
		Name: "t", Every: time.Hour, Misfire: pool.MisfireAll, PayloadTemplate: "{{trigger}}", Task: pool.Spec{Kind: "k"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		advance time.Duration
		want    int
	}{
		{0, 0},
		{time.Hour - 500*time.Millisecond, 0}, // soon: it is not held back then
		{500 * time.Millisecond, 1},
		{0, 0},
		{2 * time.Hour, 2}, // a misfire and a firing in time
	} {
		p.Advance(t, step.advance)
		if n := len(p.Drain(t)); n != step.want {
			t.Errorf("step %d: %d attempts, want %d", i, n, step.want)
		}
	}
	if len(payloads) != 3 || payloads[0] != "t" {
		t.Errorf("payloads %q", payloads)
	}
}

func TestTriggerIsSetOnlyIfItIsAsItWasRead(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		p := pooltest.New(t, pool.Config{})
		triggers, ctx := p.Triggers(), t.Context()
		set := func(every time.Duration, before *pool.TriggerInfo, want error) {
			t.Helper()
			p.Advance(t, time.Second) // each definition has another time
			err := triggers.SetIf(ctx, pool.Trigger{Name: "t", Every: every, Task: pool.Spec{Kind: "k"}}, before)
			if !errors.Is(err, want) {
				t.Errorf("every %v: %v, want %v", every, err, want)
			}
		}
		get := func() *pool.TriggerInfo {
			t.Helper()
			info, err := triggers.Get(ctx, "t")
			if err != nil {
				t.Fatal(err)
			}
			return info
		}
		set(time.Hour, &pool.TriggerInfo{SetAt: time.Now()}, pool.ErrTriggerChanged)
		set(time.Hour, nil, nil)
		set(2*time.Hour, nil, pool.ErrTriggerChanged)
		first := get()
		if err := triggers.Pause(ctx, "t"); err != nil {
			t.Fatal(err)
		}
		set(2*time.Hour, first, nil) // a pause changes no definition
		set(3*time.Hour, first, pool.ErrTriggerChanged)
		if got := get(); got.Every != 2*time.Hour || !got.Paused {
			t.Errorf("got %+v", got)
		}
	})
}
