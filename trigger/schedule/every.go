package schedule

import (
	"fmt"
	"time"
)

// MinEvery is the least time between two firings of Every and of Daily.
const MinEvery = 50 * time.Millisecond

// Every is a fixed rate: Anchor and all instants that are a multiple of Every after it.
type Every struct {
	Every  time.Duration
	Anchor time.Time
}

// NewEvery returns an error if the rate is less than MinEvery.
func NewEvery(every time.Duration, anchor time.Time) (*Every, error) {
	if every < MinEvery {
		return nil, fmt.Errorf("must be at least %v, not %v", MinEvery, every)
	}
	return &Every{Every: every, Anchor: anchor}, nil
}

// Next implements Schedule.
func (e *Every) Next(t time.Time) time.Time {
	if t.Before(e.Anchor) {
		return e.Anchor
	}
	// A time.Duration has 292 years.
	return e.Anchor.Add((t.Sub(e.Anchor)/e.Every + 1) * e.Every)
}
