package alert

import (
	"regexp"
	"testing"
	"time"
)

// Each condition is described in both languages, with the words for one and for more.
func TestConditionsAreDescribedInTheSingularAndThePlural(t *testing.T) {
	wrong := regexp.MustCompile(`[\[\]{}|]|\b1 (\S+ )?(tasks|attempts|handlers|entries|findings|replicas|planned times)\b|\b[02] (\S+ )?(task|attempt|handler|entry|finding|replica|planned time)\b`)
	for c := range conditions {
		for _, lang := range []Lang{English, Chinese} {
			for _, v := range []float64{0, 1, 1.5, 2} {
				a := Alert{When: c, Value: v, Threshold: 2, Window: 90 * time.Second}
				if text := a.Describe(lang); text == "" || wrong.MatchString(text) {
					t.Errorf("%s with %v in %s: %q", c, v, lang, text)
				}
			}
		}
	}
	for want, a := range map[string]Alert{
		"1 task waits (limit 0)":                                   {When: Waiting, Value: 1},
		"2 tasks wait (limit 1)":                                   {When: Waiting, Value: 2, Threshold: 1},
		"1 attempt lost its lease within 15 min (limit 0)":         {When: Lost, Value: 1, Window: 15 * time.Minute},
		"3 attempts lost their lease within 1 h (limit 0)":         {When: Lost, Value: 3, Window: time.Hour},
		"1 live replica (at least 2)":                              {When: Replicas, Value: 1, Threshold: 2},
		"the oldest task has waited for 20 min (limit 1 min 30 s)": {When: OldestWait, Value: 1200, Threshold: 90},
	} {
		if got := a.Describe(English); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	a := Alert{When: OldestWait, Value: 1200, Threshold: 90}
	if got := a.DescribeWith(English, time.Duration.String); got != "the oldest task has waited for 20m0s (limit 1m30s)" {
		t.Error(got)
	}
}

func TestEndOfASilenceCountsItsAlerts(t *testing.T) {
	for n, want := range map[int]string{0: "nothing fires", 1: "1 alert still fires", 2: "2 alerts still fire"} {
		got := (&Notice{State: StateUnsilenced, Silence: &Silence{Rule: "wait"}, Firing: n}).Text(English)
		if got != "silence ended: rule wait, "+want {
			t.Errorf("%q", got)
		}
	}
}
