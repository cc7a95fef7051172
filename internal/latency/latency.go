package latency

import (
	"slices"
	"time"
)

// Percentile returns the smallest value that p percent of all do not exceed.
func Percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)*p+99)/100-1]
}

func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
