// Package selftest measures what this machine and a Redis server do together: round
// trips, enqueues, the throughput of a replica and the time from an enqueue to the
// start of a handler.
package selftest

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/latency"
)

// Options say how much is measured and what is called meanwhile. All fields must be set.
type Options struct {
	Tasks    int                   // enqueued in batches, then drained
	Single   int                   // round trips, enqueues one at a time, and pick-ups
	Workers  int                   // slots of the replica
	Log      *slog.Logger          // of the replica
	Progress func(done, total int) // called after each step of a measurement
}

// Measurement is one line of the result. A figure that has no meaning for the
// measurement is 0 and is left out of JSON.
type Measurement struct {
	What      string  `json:"what"`
	N         int     `json:"n"`
	PerSecond float64 `json:"per_s,omitempty"`
	P50MS     float64 `json:"p50_ms,omitempty"`
	P99MS     float64 `json:"p99_ms,omitempty"`
	MaxMS     float64 `json:"max_ms,omitempty"`
}

// Measure makes the measurements one after the other in the pool of c, which should
// hold nothing else. It stops after the first error. The tasks that it makes stay in the
// pool: the caller removes it.
func Measure(ctx context.Context, c *client.Client, o Options) iter.Seq2[Measurement, error] {
	r := &run{Client: c, Options: o}
	return func(yield func(Measurement, error) bool) {
		for _, measure := range []func(context.Context) (Measurement, error){r.roundTrip, r.enqueueOne, r.enqueueMany, r.drain, r.pickUp} {
			m, err := measure(ctx)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// latencies returns a measurement of the durations of single operations.
func latencies(what string, took []time.Duration) Measurement {
	return Measurement{
		What: what, N: len(took), MaxMS: latency.Milliseconds(slices.Max(took)),
		P50MS: latency.Milliseconds(latency.Percentile(took, 50)), P99MS: latency.Milliseconds(latency.Percentile(took, 99)),
	}
}

// rate returns a measurement of the n operations that took this time together, per second
// and with one decimal.
func rate(what string, n int, took time.Duration) Measurement {
	return Measurement{What: what, N: n, PerSecond: float64(int(float64(n)/took.Seconds()*10)) / 10}
}
