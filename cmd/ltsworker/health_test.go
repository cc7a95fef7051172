package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/internal/health"
)

// probe calls the health endpoint of another process until it answers with the code. It polls,
// because the endpoint sends no event.
func probe(t *testing.T, url string, code int) health.Status {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) { // polls another process
		resp, err := http.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if last = fmt.Sprintf("%d: %s", resp.StatusCode, body); err != nil || resp.StatusCode != code {
			continue
		}
		var h health.Status
		if err := json.Unmarshal(body, &h); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return h
	}
	t.Fatalf("%s never answered %d; last: %s", url, code, last)
	return health.Status{}
}

// startWithHealth starts a replica with a health endpoint and returns its URL.
func (u *user) startWithHealth() (*replica, string) {
	u.t.Helper()
	u.prepareReplica()
	r := u.startWith("w.yaml", "--health", "127.0.0.1:0")
	var line struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal([]byte(r.await("health endpoint")), &line); err != nil {
		u.t.Fatal(err)
	}
	return r, "http://" + line.Address
}

func TestReadyFollowsTheReplica(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	r, url := u.startWithHealth()
	if h := probe(t, url+"/ready", http.StatusOK); !h.Ready || !h.Joined || h.Slots != 4 {
		t.Errorf("got %+v", h)
	}
	probe(t, url+"/live", http.StatusOK)
	if resp, err := http.Post(url+"/live", "", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", resp, err)
	}
	u.must("enqueue", "hold")
	u.awaitRunning()
	r.signal(syscall.SIGTERM)
	if h := probe(t, url+"/ready", http.StatusServiceUnavailable); !h.Draining || h.Running != 1 {
		t.Errorf("got %+v", h)
	}
	probe(t, url+"/live", http.StatusOK)
	u.write("go", "", 0o600)
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestReadyEndsWithAnOutageAndComesBack(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	s := u.ownServer()
	_, url := u.startWithHealth()
	probe(t, url+"/ready", http.StatusOK)
	s.Stop(t)
	if h := probe(t, url+"/ready", http.StatusServiceUnavailable); !h.Joined || h.FailingMS < health.Patience.Milliseconds() {
		t.Errorf("got %+v", h)
	}
	probe(t, url+"/live", http.StatusOK)
	s.Restart(t)
	probe(t, url+"/ready", http.StatusOK)
}

func TestHealthAddressThatIsTakenEndsTheReplica(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.startReplica()
	if a := u.run("run", "-c", "w.yaml", "--health", u.addr); a.code != exitFailed || !strings.Contains(a.err, "health endpoint") {
		t.Errorf("got %+v", a)
	}
}
