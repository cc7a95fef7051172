package backoff

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestDelayDoublesUpToItsMaximum(t *testing.T) {
	for n, most := range map[int]time.Duration{1: 50 * time.Millisecond, 2: 100 * time.Millisecond, 6: 1600 * time.Millisecond, 7: 2 * time.Second, 1000: 2 * time.Second} {
		for range 100 {
			if d := Delay(n); d < most/2 || d > most {
				t.Fatalf("the delay before retry %d is %v, not from %v to %v", n, d, most/2, most)
			}
		}
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Sleep(t.Context(), time.Microsecond); err != nil {
		t.Error(err)
	}
}
