package alert

import (
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/faketime"
)

// watch starts a Runner with a rule that does not apply and these receivers.
func watch(t *testing.T, f *fakeStore, to map[string]*fakeChannel) (stop func()) {
	t.Helper()
	o := Options{Rules: []Rule{dog()}, Receivers: map[string]Receiver{}, Interval: 10 * time.Second}
	for name, c := range to {
		o.Receivers[name] = Receiver{Channel: c}
	}
	stop = start(t, f, o)
	pass(time.Second) // so that the test does nothing at the time of an evaluation
	return stop
}

// remove removes a stored rule.
func remove(t *testing.T, f *fakeStore, name string) {
	t.Helper()
	if err := RemoveRule(t.Context(), f, name, ""); err != nil {
		t.Fatal(err)
	}
}

// The pool is inspected while a rule needs it.
func TestInspectionsEndWithTheirLastRule(t *testing.T) {
	faketime.Test(t, func(t *testing.T) {
		f, c := newFakeStore(), &fakeChannel{}
		watch(t, f, map[string]*fakeChannel{"ops": c})
		for range 2 {
			store(t, f, Rule{Name: "doctor", When: Doctor})
			pass(time.Hour)
			before := f.inspected()
			remove(t, f, "doctor")
			pass(time.Hour)
			if after := f.inspected(); before == 0 || after > 1 {
				t.Errorf("%d inspections, later %d", before, after)
			}
		}
	})
}
