package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// letter is the body of a message to a receiver of alerts.
type letter struct {
	At      time.Time // when it was composed, by the clock of Redis
	Notices []struct{ Labels map[string]string }
}

// mailbox is a receiver of alerts.
type mailbox struct {
	*httptest.Server
	mu  sync.Mutex
	got []letter
}

func newMailbox(t *testing.T) *mailbox {
	m := &mailbox{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var l letter
		if err := json.NewDecoder(r.Body).Decode(&l); err != nil {
			t.Error(err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.got = append(m.got, l)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) letters() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

// output is the output of a process.
type output struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.out.Write(p)
}

func (o *output) has(part string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Contains(o.out.String(), part)
}

// The process that takes the rules over from a killed one continues with its pace: with three
// messages a minute, one in 30 seconds. It takes the rules over within 20 seconds.
func TestProcessThatTakesTheRulesOverKeepsThePace(t *testing.T) {
	t.Parallel()
	u, m := newUser(t), newMailbox(t)
	u.write("alerts.yaml", `alerts:
  interval: 1s
  receivers: {ops: {webhook: {url: "`+m.URL+`"}, networks: [127.0.0.1], per_minute: 3}}
  rules: {depth: {when: waiting, over: 0}}
`, 0o600)
	u.must("enqueue", "k", "--queue", "first")
	start := func() (stderr *output, signal func(syscall.Signal)) {
		cmd, out := u.command("alert", "run", "-c", "alerts.yaml"), &output{}
		cmd.Stderr = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return out, func(s syscall.Signal) { cmd.Process.Signal(s) }
	}
	_, signal := start()
	u.until("the first message", func() bool { return len(m.letters()) == 1 })
	waits, _ := start()
	u.until("the other process", func() bool { return waits.has("this one takes over when it ends") })
	u.must("enqueue", "k", "--queue", "second")
	signal(syscall.SIGKILL)
	u.until("the second message", func() bool { return len(m.letters()) == 2 })
	got := m.letters()
	if n := got[1].Notices; len(n) != 1 || n[0].Labels["queue"] != "second" {
		t.Errorf("the second message is %+v", got[1])
	}
	if after := got[1].At.Sub(got[0].At); after < 30*time.Second {
		t.Errorf("the second message was composed %v after the first, want 30s or more", after)
	}
}

func TestAlertRunNamesAMissingRightAndEnds(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	url, _ := hook(t)
	u.write("alerts.yaml", `alerts: {receivers: {ops: {webhook: {url: "`+url+`"}, networks: [127.0.0.1]}}}`, 0o600)
	u.must("enqueue", "k")
	for name, c := range map[string]struct{ rules, want string }{
		"alert_viewer": {"-@all +@read +@connection -@admin -@dangerous +info +time +eval_ro +evalsha_ro", "permission denied: "},
		"alert_noset":  {"+@all -@admin -@dangerous -function +info -set", "permission denied: "},
	} {
		rules := append([]any{"ACL", "SETUSER", name, "reset", "on", ">secret", "~lts:{" + u.pool + "}:*", "&*"}, anys(strings.Fields(c.rules))...)
		u.redis(rules...)
		limited := *u
		limited.env = []string{"LTS_REDIS=redis://" + name + ":secret@" + u.addr + "/0", "LTS_POOL=" + u.pool}
		a := limited.run("alert", "run", "-c", "alerts.yaml", "--log-format", "text")
		if a.code != exitFailed || strings.Count(a.err, c.want) != 1 || !strings.Contains(a.err, "ACL") || strings.Contains(a.err, "trying again") {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func anys(words []string) (all []any) {
	for _, w := range words {
		all = append(all, w)
	}
	return all
}
