package main

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/observe/metrics"
)

// fetch requests a URL of a replica that has joined.
func fetch(t *testing.T, url string) (code int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestReplicaServesMetricsOnRequest(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("w.yaml", "health: 127.0.0.1:0\nmetrics:\nqueues: {default: {workers: 3}}\nhandlers: {echo: {command: [cat]}}\n", 0o600)
	r := u.startWith("w.yaml")
	url := "http://" + decodeLines[struct {
		Address string `json:"address"`
	}](t, r.await("health endpoint")+"\n")[0].Address
	probe(t, url+"/ready", http.StatusOK)
	u.must("enqueue", "echo", "--wait")
	u.must("pause", "default")
	u.must("enqueue", "echo")

	scrape := func() (code int, body string) {
		code, body = fetch(t, url+"/metrics")
		return code, regexp.MustCompile(`pool="[^"]*",?`).ReplaceAllString(body, "")
	}
	// The attempt is counted after its end was written.
	u.until("the attempt is counted", func() bool {
		_, body := scrape()
		return strings.Contains(body, `ltsworker_attempts_ended_total{code="ok",kind="echo",queue="default"} 1`)
	})
	code, body := scrape()
	for _, want := range []string{
		"ltsworker_replica_slots{} 3", `ltsworker_queue_waiting_tasks{queue="default"} 1`, "go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%d, without %s:\n%s", code, want, body)
		}
	}
	code, body = fetch(t, url+"/scale?queue=default")
	var s metrics.Scale
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK || s.Waiting != 1 || s.Running != 0 || s.Runnable != 0 {
		t.Errorf("/scale: %d %s", code, body)
	}
}

func TestMetricsAreNotServedByDefault(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	_, url := u.startWithHealth()
	probe(t, url+"/ready", http.StatusOK)
	for _, path := range []string{"/metrics", "/scale"} {
		if code, _ := fetch(t, url+path); code != http.StatusNotFound {
			t.Errorf("%s answers %d", path, code)
		}
	}
	if a := u.run("run", "-c", "w.yaml", "--metrics"); a.code != exitUsage || !strings.Contains(a.err, "metrics need an address: set --health HOST:PORT") {
		t.Errorf("without an address: %+v", a)
	}
}
