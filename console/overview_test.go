package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/task"
)

// The overview begins with the alerts that fire: critical ones before others, silenced ones last.
// All viewers share one read of them.
func TestOverviewBeginsWithAlertsThatFire(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.c.sites[b.name]
	p, err := s.picture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := *p
	fired := func(rule string, severity alert.Severity) alert.Alert {
		return alert.Alert{Rule: rule, Severity: severity, When: alert.Waiting, Value: 9, Threshold: 1, Labels: map[string]string{"queue": "q." + rule}, Since: p.At, Fired: p.At}
	}
	own.Alerts = alert.State{Owner: "host", Now: p.At, Silences: []alert.Silence{{ID: "s", Rule: "known", Until: p.At.Add(time.Hour)}},
		Firing: []alert.Alert{fired("known", alert.Critical), fired("minor", alert.Warning), fired("grave", alert.Critical)}}
	show := func() string {
		shown := own
		s.show(&shown)
		return b.page("")
	}
	text := show()
	last := -1
	for _, want := range []string{"<h1>", "Alerts that fire: 3", "q.grave", "q.minor", "q.known", "silenced", `class="counts"`} {
		at := strings.Index(text, want)
		if at < last || at < 0 {
			t.Errorf("%q is at %d, after %d:\n%s", want, at, last, text)
		}
		last = at
	}
	if !strings.Contains(text, `<a href="/admin`+b.path("alerts")+`">Alerts that fire`) || strings.Contains(text, "Nothing needs attention") || strings.Contains(text, "No process runs") {
		t.Errorf("%s", text)
	}
	for i := range 4 {
		own.Alerts.Firing = append(own.Alerts.Firing, fired(fmt.Sprint("more", i), alert.Warning))
	}
	own.Alerts.Owner = ""
	if text := show(); !strings.Contains(text, ">2 more<") || strings.Contains(text, "q.known") || !strings.Contains(text, "No process runs alert rules") {
		t.Errorf("%s", text)
	}
	failed := &task.Task{Spec: task.Spec{ID: "f", Kind: "k"}, State: task.Failed, Error: "refused", EndedAt: p.At}
	own.Failures, own.AllFailures, own.Stats.Kept = failures.Groups([]*task.Task{failed, failed}), false, map[task.State]int{task.Failed: 2002}
	if text := show(); !strings.Contains(text, "The newest 2 of 2002 failed tasks") {
		t.Errorf("%s", text)
	}
	own.Failures = nil
	own.Alerts = alert.State{Rules: []alert.Rule{{Name: "r"}}}
	if text := show(); strings.Contains(text, "Alerts that fire") || !strings.Contains(text, "Nothing needs attention") {
		t.Errorf("%s", text)
	}
}
