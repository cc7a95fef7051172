package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// letter is a message that a receiver of alerts has got.
type letter struct {
	at   time.Time
	text string
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
		text, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.got = append(m.got, letter{time.Now(), string(text)})
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) letters() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

// log is the output of a process.
type log struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *log) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.out.String(), part)
}

// The process that takes the rules over from a killed one continues with its pace: three messages a
// minute are one in 30 seconds. It takes over after at most 20 seconds.
func TestProcessThatTakesTheRulesOverKeepsThePace(t *testing.T) {
	t.Parallel()
	u, m := newUser(t), newMailbox(t)
	u.write("alerts.yaml", `alerts:
  interval: 1s
  receivers: {ops: {webhook: {url: "`+m.URL+`"}, networks: [127.0.0.1], per_minute: 3}}
  rules: {depth: {when: waiting, over: 0}}
`, 0o600)
	u.must("enqueue", "k", "--queue", "first")
	start := func() (stderr *log, signal func(syscall.Signal)) {
		cmd, out := u.command("alert", "run", "-c", "alerts.yaml"), &log{}
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
	if !strings.Contains(got[1].text, `"queue":"second"`) {
		t.Errorf("the second message is %s", got[1].text)
	}
	if after := got[1].at.Sub(got[0].at); after < 25*time.Second { // the first one may have been slow
		t.Errorf("the second message came after %v", after)
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
