package latency

import (
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	var values []time.Duration
	for ms := 200; ms > 0; ms-- {
		values = append(values, time.Duration(ms)*time.Millisecond)
	}
	for p, want := range map[int]float64{1: 2, 50: 100, 99: 198, 100: 200} {
		if got := Milliseconds(Percentile(values, p)); got != want {
			t.Errorf("%d: got %v, want %v", p, got, want)
		}
	}
	if got := Percentile(values[:1], 50); got != 200*time.Millisecond {
		t.Errorf("of one value: got %v", got)
	}
	if got := Percentile(nil, 99); got != 0 {
		t.Errorf("of no values: got %v", got)
	}
}
