package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

// hook is a receiver of webhooks.
func hook(t *testing.T) (url string, got func() string) {
	t.Helper()
	var mu sync.Mutex
	var all strings.Builder
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		all.Write(body)
		io.WriteString(w, "thanks")
	}))
	t.Cleanup(s.Close)
	return s.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return all.String()
	}
}

func TestAlertsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	url, got := hook(t)
	text := `alerts:
  interval: 1s
  receivers: {ops: {webhook: {url: "` + url + `"}, networks: [127.0.0.1]}}
  rules: {depth: {when: waiting, over: 1}, calm: {when: waiting, over: 1000}, old: {when: oldest_wait, over: 15m, for: 90s}}
`
	file := filepath.Join(u.dir, "alerts.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	u.must("enqueue", "k", "{}")
	u.must("enqueue", "k", "{}")
	rules := decodeLines[ruleRecord](t, u.must("alert", "rules", "-c", file, "--json"))
	if len(rules) != 3 || !rules[0].Fires || rules[1].Fires || rules[0].Threshold != 1 || len(rules[0].Values) != 1 {
		t.Errorf("%+v", rules)
	}
	if out := u.must("alert", "rules", "-c", file); !strings.Contains(out, "yes: 1") || !strings.Contains(out, "15m0s") || !strings.Contains(out, "1m30s") || strings.Contains(out, " min") {
		t.Errorf("the durations have several formats:\n%s", out)
	}
	if out := u.must("alert", "test", "ops", "-c", file); !strings.Contains(out, "ops (webhook) has taken the message: 200 thanks") || !strings.Contains(got(), "this is a test") {
		t.Errorf("%s\n%s", out, got())
	}
	if a := u.run("alert", "test", "opps", "-c", file); a.code != exitUsage || !strings.Contains(a.err, `no receiver "opps"`) {
		t.Errorf("%+v", a)
	}
	if a := u.run("alert", "ls"); !strings.Contains(a.err, "nothing fires") || !strings.Contains(a.err, "no process runs alert rules") {
		t.Errorf("%+v", a)
	}
	run := u.command("alert", "run", "-c", file)
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Process.Signal(os.Interrupt); run.Wait() })
	u.until("the alert", func() bool { return strings.Contains(got(), `"rule":"depth"`) })
	u.until("the history", func() bool { return strings.Contains(u.must("alert", "history"), "1 firing") })
	alerts := decodeLines[record.Alert](t, u.must("alert", "ls", "--json"))
	if len(alerts) != 1 || alerts[0].Rule != "depth" || alerts[0].State != "firing" || alerts[0].Value != 2 || alerts[0].Text != "2 tasks wait (limit 1)" || alerts[0].SentAt == "" {
		t.Errorf("%+v", alerts)
	}
	var made record.Silence
	if err := json.Unmarshal([]byte(u.must("alert", "silence", "add", "--rule", "depth", "--for", "2d", "--reason", "a move", "--json")), &made); err != nil || made.ID == "" || made.LeftMS != 172_800_000 || made.Reason != "a move" {
		t.Fatal(made, err)
	}
	if out := u.must("alert", "silence", "ls"); !strings.Contains(out, made.ID) || !strings.Contains(out, "a move") {
		t.Error(out)
	}
	u.must("alert", "silence", "rm", made.ID)
	u.until("the end of the silence", func() bool { return strings.Contains(got(), "silence ended") })
	for _, args := range [][]string{{"alert", "silence", "rm", made.ID}, {"alert", "silence", "rm", "nope"}} {
		if a := u.run(args...); a.code != exitFailed || !strings.Contains(a.err, "no silence has the id") {
			t.Errorf("%v: %+v", args, a)
		}
	}
	for want, args := range map[string][]string{
		"--for DURATION is missing": {"--rule", "x"}, "--rule or queue": {"--for", "1h"}, "--for must be from 1m": {"--rule", "x", "--for", "1s"}, "to 90d, not 100d": {"--rule", "x", "--for", "100d"},
	} {
		if a := u.run(append([]string{"alert", "silence", "add"}, args...)...); a.code != exitUsage || !strings.Contains(a.err, want) {
			t.Errorf("%v: %+v", args, a)
		}
	}
}
