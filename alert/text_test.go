package alert

import (
	"fmt"
	"regexp"
	"strings"
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

func TestNoticesReadWellInBothLanguages(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	failed := Notice{State: StateFiring, Rule: "failures", Severity: Critical, When: Failed, Value: 1, Threshold: 0, Window: 10 * time.Minute, Since: at, Labels: map[string]string{"kind": "cut"}}
	ended := failed
	ended.State, ended.Ended = StateEnded, at.Add(185*time.Second)
	silence := Notice{State: StateUnsilenced, Silence: &Silence{Rule: "wait", Queue: "mail", Reason: "a move"}, Firing: 1}
	for _, c := range []struct {
		n      Notice
		en, zh string
	}{
		{failed, "failures (critical): kind cut: 1 task failed within 10 min (limit 0), since 2026-11-30 12:00:00 UTC", "failures（严重）：类型 cut：10 分钟内有 1 个任务失败（阈值 0），自 2026-11-30 12:00:00 UTC"},
		{ended, "failures (critical): kind cut: recovered after 3 min 5 s, before: 1 task failed within 10 min (limit 0)", "failures（严重）：类型 cut：3 分钟 5 秒后恢复，此前：10 分钟内有 1 个任务失败（阈值 0）"},
		{silence, "silence ended: rule wait, queue mail (a move), 1 alert still fires", "静默结束：规则 wait，队列 mail（a move），仍有 1 条告警"},
	} {
		if got := c.n.Text(English); got != c.en {
			t.Errorf("%q, want %q", got, c.en)
		}
		if got := c.n.Text(Chinese); got != c.zh {
			t.Errorf("%q, want %q", got, c.zh)
		}
	}
	m := Message{Pool: "media", Notices: []Notice{failed, ended, silence, {State: StateTest}}}
	if got := m.Title(English); got != "ltsworker pool media: 1 firing, 1 ended, a silence ended, test message" {
		t.Error(got)
	}
	m.Notices = append(m.Notices, m.Notices...)
	if got := m.Title(English); got != "ltsworker pool media: 2 firing, 2 ended, 2 silences ended, 2 test messages" {
		t.Error(got)
	}
}

// The alerts of one rule do not keep those of another one out of a message.
func TestStormOfARuleHidesNoOtherRule(t *testing.T) {
	m := Message{Pool: "media"}
	for i := range 400 {
		m.Notices = append(m.Notices, Notice{State: StateFiring, Rule: "depth", Severity: Warning, When: Waiting, Labels: map[string]string{"queue": fmt.Sprint("q", i)}})
	}
	m.Notices = append(m.Notices, Notice{State: StateFiring, Rule: "outage", Severity: Warning, When: Outage})
	lines := m.Lines(English, 4096, func(l Line) string { return l.Text })
	n := len(lines)
	if !strings.HasPrefix(lines[n-2], "outage (warning)") || !strings.HasPrefix(lines[0], "depth (warning): queue q0:") || lines[n-1] != fmt.Sprintf("and %d more: depth %d firing", 402-n, 402-n) {
		t.Errorf("%d lines, the last are %q", n, lines[n-2:])
	}
}

func TestTestMessageLinksToThePageOfItsPool(t *testing.T) {
	m := TestMessage("media", Receiver{}, "https://tasks.example/p/{pool}/alerts", "ann")
	if m.Console != "https://tasks.example/p/media/alerts" {
		t.Error(m.Console)
	}
}
