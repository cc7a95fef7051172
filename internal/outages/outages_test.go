package outages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
	"github.com/ltsworker/ltsworker/task"
)

// pass lets fake time pass.
func pass(d time.Duration) { time.Sleep(d) } // fake time

func TestAnOutageIsOverAfterAnAnswerOrWithoutFailures(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		o := &Tracker{Of: "s", Log: slog.New(slog.DiscardHandler)}
		away := errors.New("away")
		for i, step := range []struct {
			do   func()
			want bool
		}{
			{func() {}, false},
			{func() { o.Worked("a", time.Now()) }, false},
			{func() { o.Failed("a", time.Now(), away, "down") }, true},
			{func() { o.Worked("b", time.Now()) }, true},                 // another call
			{func() { o.Worked("a", time.Now().Add(-time.Hour)) }, true}, // an earlier call
			{func() { o.Failed("b", time.Now(), away, "down") }, true},
			{func() { o.Worked("a", time.Now()) }, true}, // b still fails
			{func() { o.Worked("b", time.Now()) }, false},
			{func() { o.Failed("a", time.Now().Add(-5*time.Second), away, "down") }, false}, // began before the last answer
			{func() { o.Failed("c", time.Now().Add(-5*time.Second), away, "down") }, true},  // another call
			{func() { o.Worked("c", time.Now()) }, false},
			{func() { o.Failed("a", time.Now(), away, "down") }, true},
			{func() { o.Worked("a", time.Now()) }, false},
			{func() { o.Failed("a", time.Now(), away, "down") }, true},
			{func() { pass(DefaultGap - time.Minute) }, true},
			{func() { o.Continues(away); pass(DefaultGap - time.Minute) }, true},
			{func() { pass(time.Minute) }, false}, // the call is not made any more
		} {
			pass(time.Second)
			step.do()
			if _, got := o.Current(); got != step.want {
				t.Errorf("step %d: an outage: %v, want %v", i, got, step.want)
			}
		}
	})
}

func TestARegistryHasTheOldestOutages(t *testing.T) {
	var r Registry
	ctx := r.With(context.Background())
	for i := range task.MaxOutages + 5 {
		o := &Tracker{Of: fmt.Sprint("s", i), Log: slog.New(slog.DiscardHandler)}
		o.Publish(ctx)
		o.Publish(ctx)
		o.Publish(context.Background())
		if i > 0 {
			o.Failed("a", time.Now(), errors.New("away"), "down")
		}
	}
	all := r.Current()
	if len(all) != task.MaxOutages || all[0].Of != "s1" || all[0].Error != "away" {
		t.Errorf("%+v", all)
	}
	(*Tracker)(nil).Publish(ctx)
	(*Tracker)(nil).Failed("a", time.Now(), nil, "down")
	(*Tracker)(nil).Worked("a", time.Now())
}
