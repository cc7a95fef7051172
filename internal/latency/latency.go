// Package latency summarizes durations.
package latency

import (
	"slices"
	"time"
)

// Percentile returns the smallest value that at least p percent of the values do not
// exceed, for p from 1 to 100. Without values it is 0.
func Percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)*p+99)/100-1]
}

// Milliseconds returns d in milliseconds, to the microsecond, for a field that ends in
// _ms.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
