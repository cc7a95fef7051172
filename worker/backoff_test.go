package worker

import (
	"strings"
	"testing"
	"time"
)

func TestBackoffSurvivesItsWireForm(t *testing.T) {
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
			t.Errorf("%q is read as %+v", clip(wire), got)
		} else if len(err.Error()) > 300 {
			t.Errorf("the error for %q is %d bytes long", clip(wire), len(err.Error()))
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

func TestBackoffWithoutAMaximumHasTheDefaultOne(t *testing.T) {
	for b, want := range map[Backoff]string{
		{Base: time.Second}: "exponential:1000:600000",
		{Base: time.Hour}:   "exponential:3600000:3600000",
	} {
		if err := b.check(); err != nil || b.String() != want {
			t.Errorf("%+v is %q, %v, want %q", b, b, err, want)
		}
	}
}
