package pool

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRatesAreOfTheTimeThatTheEventsSpan(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	at := func(ago time.Duration, queue string, state State, v int64) Event {
		return Event{At: now.Add(-ago), Queue: queue, State: state, Version: v}
	}
	few := []Event{
		at(time.Second, "a", Succeeded, 3), at(2*time.Second, "a", Running, 2), at(3*time.Second, "a", Waiting, 1),
		at(4*time.Second, "b", Scheduled, 1), at(5*time.Second, "b", Failed, 9),
		at(2*RateWindow, "a", Waiting, 1),
	}
	in, out := rates(few, now)
	minute := RateWindow.Seconds()
	if diff := cmp.Diff(map[string]float64{"a": 1 / minute, "b": 1 / minute}, in); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]float64{"a": 1 / minute, "b": 1 / minute}, out); diff != "" {
		t.Error(diff)
	}

	// As many as are read at most, within two seconds: the rest of the minute is
	// not known.
	many := make([]Event, RateEvents)
	for i := range many {
		many[i] = at(2*time.Second*time.Duration(i+1)/RateEvents, "a", Waiting, 1)
	}
	in, _ = rates(many, now)
	if in["a"] != RateEvents/2 {
		t.Errorf("got %v tasks per second, want %d", in["a"], RateEvents/2)
	}
	if in, out := rates(nil, now); len(in)+len(out) > 0 {
		t.Errorf("got %v and %v of no events", in, out)
	}
}
