package console

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/internal/record"
	"github.com/ltsworker/ltsworker/task"
)

// A program reads what fires and is pending, and the history. It begins and ends silences.
func TestAPIListsAndSilencesAlerts(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if list := must[apiAlertList](b, http.MethodGet, b.at("/alerts"), nil); len(list.Alerts) > 0 || list.Owner != "" {
		t.Errorf("without rules: %+v", list)
	}
	b.enqueue(task.Spec{Queue: "video"}, task.Spec{Queue: "video"})
	l := &letters{}
	b.runRules(l, alert.Rule{Name: "depth", When: alert.Waiting, Threshold: 1}, alert.Rule{Name: "later", When: alert.Waiting, Threshold: 1, For: time.Hour})
	until(t, "a message about the queue", func() bool { return l.has("queue video") })
	b.as(access.Viewer)
	list := must[apiAlertList](b, http.MethodGet, b.at("/alerts"), nil)
	if len(list.Alerts) != 2 || list.Owner == "" || list.EvaluatedAt == "" {
		t.Fatalf("%+v", list)
	}
	if a := list.Alerts[0]; a.Rule != "depth" || a.State != "firing" || a.Labels["queue"] != "video" || a.Value != 2 || a.Text != "2 tasks wait (limit 1)" || a.FiredAt == "" {
		t.Errorf("%+v", a)
	}
	if a := list.Alerts[1]; a.Rule != "later" || a.State != "pending" || a.FiredAt != "" {
		t.Errorf("%+v", a)
	}
	b.as(access.Operator)
	made := must[record.Silence](b, http.MethodPost, b.at("/alerts/silences"), map[string]any{"rule": "depth", "queue": "vid*", "for_ms": 3_600_000, "reason": "new server"})
	if made.ID == "" || made.LeftMS != 3_600_000 || made.By != "ann" || made.Reason != "new server" || made.Queue != "vid*" {
		t.Errorf("%+v", made)
	}
	silences := must[apiSilenceList](b, http.MethodGet, b.at("/alerts/silences"), nil).Silences
	if len(silences) != 1 || silences[0].ID != made.ID || silences[0].Until != made.Until || silences[0].LeftMS > made.LeftMS {
		t.Errorf("%+v", silences)
	}
	if a := must[apiAlertList](b, http.MethodGet, b.at("/alerts"), nil).Alerts; a[0].Silence != made.ID || a[1].Silence != "" {
		t.Errorf("%+v", a)
	}
	must[any](b, http.MethodDelete, b.at("/alerts/silences/"+made.ID), nil)
	b.problem(http.MethodDelete, b.at("/alerts/silences/"+made.ID), nil, http.StatusNotFound)
	until(t, "the end of the silence", func() bool { return l.has("silence ended") })

	var what []string
	for path := b.at("/alerts/history?limit=1"); ; {
		page := must[apiAlertHistory](b, http.MethodGet, path, nil)
		for _, m := range page.History {
			what = append(what, m.What)
		}
		if page.Next == "" {
			break
		}
		path = b.at("/alerts/history?limit=1&after=" + page.Next)
	}
	if !slices.Contains(what, "sent") || !slices.Contains(what, "silence") {
		t.Errorf("the history has %v", what)
	}
	var did []string
	for _, e := range b.audit(false) {
		if e.Of == "" {
			did = append(did, e.Action+" "+e.Target+" "+e.Reason)
		}
	}
	slices.Sort(did)
	want := []string{"alerts/silence rule depth, queue vid* new server", "alerts/unsilence " + made.ID + " ", "alerts/unsilence " + made.ID + " "}
	if !slices.Equal(did, want) {
		t.Errorf("the audit has %q, want %q", did, want)
	}
}

func TestAPIRefusesWrongSilences(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	for _, x := range []struct{ body, field, want string }{
		{`{"rule":"x"}`, "for_ms", "is missing"},
		{`{"rule":"x","for_ms":1000}`, "for_ms", "1m"},
		{`{"rule":"x","for_ms":9223372036854775807}`, "for_ms", "90d"},
		{`{"for_ms":60000}`, "rule", "is required"},
		{`{"queu":"q","for_ms":60000}`, "queu", "did you mean queue?"},
	} {
		if p := b.problem(http.MethodPost, b.at("/alerts/silences"), x.body, http.StatusUnprocessableEntity); p.Field != x.field || !strings.Contains(p.Detail, x.want) {
			t.Errorf("%s: %+v, want %s in %s", x.body, p, x.want, x.field)
		}
	}
	if entries := b.audit(false); len(entries) > 0 {
		t.Errorf("%+v", entries)
	}
}
