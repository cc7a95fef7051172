package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/internal/failures"
	"github.com/ltsworker/ltsworker/internal/findings"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

// The overview begins with the alerts that fire: critical ones before others, silenced ones last.
// All viewers share one read of them.
func TestOverviewBeginsWithAlertsThatFire(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.c.sites[b.name]
	s.brief.last.at = time.Now() // the doctor has found nothing
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

// The overview names what the doctor finds, errors first, and queues that their rate holds back.
func TestOverviewNamesFindingsAndHeldRates(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.c.sites[b.name]
	p, err := s.picture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	own := *p
	own.Queues = []pool.QueueLoad{{QueueInfo: pool.QueueInfo{Name: "calls", Waiting: 3, Rate: pool.Rate{N: 2, Per: time.Hour, Burst: 2}, RateUntil: p.At.Add(time.Minute)}}}
	own.Replicas = []pool.ReplicaInfo{{ID: "r", Queues: map[string]int{"calls": 1}, Lease: time.Minute}}
	s.show(&own)
	open := []task.Finding{findings.New("eviction_on", findings.Named("policy", "allkeys-lru")), findings.New("queue_unserved", findings.Named("queue", "calls"), findings.Count("waiting", 3)),
		findings.New("plain_unserved", findings.Named("queue", "calls"), findings.Named("task", "t"), findings.Count("waiting", 1))}
	for range mostFindings {
		open = append(open, task.Finding{Severity: task.SeverityWarning, Check: "later", Code: "later", What: "of a later version"})
	}
	s.brief.last = computation[[]task.Finding]{at: time.Now(), value: open}
	text := b.page("")
	if strings.Contains(text, "No replica serves queue calls") || strings.Contains(text, "no live replica serves queue calls") {
		t.Errorf("a finding that the overview has itself:\n%s", text)
	}
	for _, want := range []string{`<a href="/admin` + b.path("doctor") + `">The doctor: maxmemory-policy is allkeys-lru: a full Redis removes tasks.`, `class="error"`,
		`<a href="/admin` + b.path("queue") + `?name=calls">The doctor: no live replica takes the tasks of queue calls without labels`, "Further findings of the doctor: 2.",
		"The rate 2/h burst 2 of queue calls holds tasks back; 3 wait."} {
		if !strings.Contains(text, want) {
			t.Errorf("without %s:\n%s", want, text)
		}
	}
}

// The inspection for the overview runs in the background, and leaves out the records, which may be millions.
func TestOverviewInspectsWithoutTheRecords(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.enqueue(task.Spec{ID: "a"})
	if err := b.rdb.Set(t.Context(), "lts:{"+b.name+"}:task:a", "damaged", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s := b.c.sites[b.name]
	if found := s.openFindings(); len(found) > 0 {
		t.Errorf("a first call waits for %+v", found)
	}
	s.brief.mu.Lock()
	run := s.brief.now
	s.brief.mu.Unlock()
	if run != nil { // it has not ended yet
		<-run.done
	}
	for _, f := range s.openFindings() {
		if f.Check == "entries" {
			t.Errorf("the records were inspected: %+v", f)
		}
	}
	if page := b.page("doctor"); !strings.Contains(page, "the record of task a has no header") {
		t.Errorf("the page of the doctor does not name the damaged record:\n%s", page)
	}
}
