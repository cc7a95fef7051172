package console

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/alert"
	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// letters is a channel that keeps what it gets.
type letters struct {
	mu  sync.Mutex
	got []string
}

func (*letters) Kind() string     { return "webhook" }
func (*letters) Pace() alert.Pace { return alert.Pace{Burst: 10, Every: time.Second} }
func (l *letters) Send(_ context.Context, m *alert.Message) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range m.Notices {
		l.got = append(l.got, m.Notices[i].Text(alert.English))
	}
	return "200 ok", nil
}

func (l *letters) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.got, "\n"), text)
}

// until waits for a condition.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !met(); time.Sleep(20 * time.Millisecond) { // until it is met
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// runRules evaluates rules until the end of the test. Messages go to l.
func (b *browser) runRules(l *letters, rules ...alert.Rule) {
	b.t.Helper()
	r, err := alert.New(b.store, alert.Options{Rules: rules, Receivers: map[string]alert.Receiver{"ops": {Channel: l}}, Interval: time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	b.t.Cleanup(func() { stop(); <-done })
}

func TestAlertsAreShownSilencedAndTested(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	if text := b.page("alerts"); !strings.Contains(text, "No process runs alert rules") {
		t.Error("the page does not say that no process runs the rules")
	}
	if text := b.page(""); strings.Contains(text, "Alerts that fire") {
		t.Error("the overview of a pool without rules has alerts")
	}
	b.enqueue(task.Spec{Queue: "video"}, task.Spec{Queue: "video"})
	l := &letters{}
	b.runRules(l, alert.Rule{Name: "depth", When: alert.Waiting, Threshold: 1})
	until(t, "a message about the queue", func() bool { return l.has("queue video") })
	until(t, "the message in the history", func() bool { return strings.Contains(b.page("alerts"), "1 firing") })
	until(t, "the alert on the overview", func() bool { return strings.Contains(b.page(""), "Alerts that fire: 1") })
	text := b.page("alerts")
	for _, want := range []string{"depth", "queue video", "2 tasks wait (limit 1)", "webhook", "Send a test"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if status, _ := b.do(http.MethodPost, b.path("alerts/silence"), url.Values{"for": {"1h"}}); status != http.StatusBadRequest {
		t.Errorf("a silence of nothing: %d", status)
	}
	b.act("alerts/silence", url.Values{"rule": {"depth"}, "queue": {"video"}, "for": {"2d"}, "reason": {"new server"}})
	text = b.page("alerts")
	id := regexp.MustCompile(`name="id" value="([a-z0-9]+)"`).FindStringSubmatch(text)
	if id == nil || !strings.Contains(text, "new server") || !strings.Contains(text, "rule depth, queue video") {
		t.Fatalf("the silence is not shown:\n%s", text)
	}
	b.act("alerts/unsilence", url.Values{"id": id[1:]})
	until(t, "the end of the silence", func() bool { return l.has("silence ended: rule depth, queue video, ended by ann") })
	if status, _ := b.do(http.MethodPost, b.path("alerts/unsilence"), url.Values{"id": id[1:]}); status != http.StatusNotFound {
		t.Errorf("ended twice: %d", status)
	}
	b.act("alerts/test", url.Values{"receiver": {"ops"}})
	until(t, "the test message", func() bool { return l.has("this is a test by ann") })
	var did []string
	for _, e := range b.audit(false) {
		if e.Of == "" {
			did = append(did, e.Action+" "+e.Target)
		}
	}
	if got := strings.Join(did, "; "); !strings.Contains(got, "alerts/test ops") || !strings.Contains(got, "alerts/silence rule depth, queue video") {
		t.Errorf("the audit has %s", got)
	}
	b.as(access.Viewer)
	if text := b.page("alerts"); strings.Contains(text, "alerts/silence") || strings.Contains(text, "alerts/test") {
		t.Error("a viewer gets forms")
	}
}
