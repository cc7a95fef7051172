package task

import (
	"strings"
	"testing"
	"time"
)

func TestBackoffWireFormRoundTrip(t *testing.T) {
	for wire, b := range map[string]Backoff{
		"":                          {},
		"exponential:1000:600000":   DefaultBackoff,
		"exponential:1:1":           {Base: time.Millisecond, Max: time.Millisecond},
		"fixed:1":                   {Fixed: true, Base: time.Millisecond},
		"fixed:31536000000":         {Fixed: true, Base: maxBackoff},
		"exponential:1:31536000000": {Base: time.Millisecond, Max: maxBackoff},
	} {
		if got := b.String(); got != wire {
			t.Errorf("%+v is written %q, want %q", b, got, wire)
		}
		if got, err := ParseBackoff(wire); err != nil || got != b {
			t.Errorf("%q is read as %+v, %v; want %+v", wire, got, err, b)
		}
	}
}

func TestBackoffOutsideItsBoundsIsRefused(t *testing.T) {
	for _, wire := range []string{
		"fixed", "fixed:", "fixed:0", "fixed:-1", "fixed:1.5", "fixed:NaN", "fixed:1:2", "fixed:31536000001", "fixed:99999999999999999999",
		"exponential", "exponential:1", "exponential:2:1", "exponential:0:1", "exponential:1:31536000001", "exponential:1:2:3",
		"linear:1", "1000", ":", " fixed:1", "fixed:1 ", strings.Repeat("x", 1000), "exponential:1:2\x00", "fixed:+1", "fixed:01", "exponential:1:02",
	} {
		if got, err := ParseBackoff(wire); err == nil {
			t.Errorf("%q is read as %+v", Clip(wire), got)
		} else if len(err.Error()) > 300 {
			t.Errorf("the error for %q is %d bytes long", Clip(wire), len(err.Error()))
		}
	}
	for _, b := range []Backoff{
		{Base: time.Microsecond, Max: time.Second}, {Max: time.Second}, {Base: time.Second, Max: time.Millisecond},
		{Fixed: true}, {Fixed: true, Base: time.Second, Max: time.Second}, {Base: time.Second, Max: Forever}, {Fixed: true, Base: -time.Second},
	} {
		if err := b.check(); err == nil {
			t.Errorf("%+v is accepted", b)
		}
	}
}

func FuzzParseBackoff(f *testing.F) {
	for _, s := range []string{"", "fixed:1", "exponential:1000:600000", "fixed:0", "exponential:2:1", "a:b", ":::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBackoff(s)
		if err != nil {
			return
		}
		if err := b.check(); err != nil {
			t.Errorf("%q is read as %+v, which %v", s, b, err)
		}
		again, err := ParseBackoff(b.String())
		if err != nil || again != b {
			t.Errorf("%q is read as %+v, written %q and read as %+v, %v", s, b, b.String(), again, err)
		}
	})
}

func TestBackoffWithoutAMaximumHasTheDefaultMaximum(t *testing.T) {
	for b, want := range map[Backoff]string{
		{Base: time.Second}: "exponential:1000:600000",
		{Base: time.Hour}:   "exponential:3600000:3600000",
	} {
		if err := b.check(); err != nil || b.String() != want {
			t.Errorf("%+v is %q, %v, want %q", b, b, err, want)
		}
	}
}

func TestCeilingIsTheLongestWait(t *testing.T) {
	const century = 100 * maxBackoff
	for _, tt := range []struct {
		b    Backoff
		want []time.Duration // before retry 1, 2 …
	}{
		{Backoff{}, []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}},
		{Backoff{Fixed: true, Base: time.Minute}, []time.Duration{time.Minute, time.Minute}},
		{Backoff{Base: time.Minute, Max: 3 * time.Minute}, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute, 3 * time.Minute}},
		{Backoff{Base: time.Minute, Max: 4 * time.Minute}, []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 4 * time.Minute}},
		{Backoff{Base: 4 * time.Minute}, []time.Duration{4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute}},
		{Backoff{Base: time.Hour}, []time.Duration{time.Hour, time.Hour}},
		{Backoff{Base: century, Max: century}, []time.Duration{century, century, century}},
	} {
		for i, want := range tt.want {
			if got := tt.b.Ceiling(i + 1); got != want {
				t.Errorf("%+v waits up to %v before retry %d, want %v", tt.b, got, i+1, want)
			}
		}
	}
	if got := DefaultBackoff.Ceiling(1_000_000); got != DefaultBackoff.Max {
		t.Errorf("the default waits up to %v before the millionth retry", got)
	}
}
