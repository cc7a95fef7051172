package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

// An operator sees in every view why a replica takes no tasks.
func TestRefusalIsShownWithItsReason(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	u.write("w.yaml", "lease: 2s\nhealth: 127.0.0.1:0\nqueues: {default: {workers: 2}}\nadmission: {min_free_memory: 1000TiB}\nhandlers: {echo: {command: [cat]}}\n", 0o600)
	r := u.startWith("w.yaml")
	address := decodeLines[struct {
		Address string `json:"address"`
	}](t, r.await("health endpoint")+"\n")[0].Address
	if line := r.await("no tasks are admitted"); !strings.Contains(line, "at least 1048576000 MiB must be") {
		t.Errorf("the log says %s", line)
	}
	u.must("enqueue", "echo", "--id", "a")
	const reason = " is available, at least 1"
	u.until("the heartbeat has the reason", func() bool {
		records := decodeLines[record.Replica](t, u.must("replicas", "--json"))
		return len(records) == 1 && strings.Contains(records[0].Refuses, reason)
	})
	if h := probe(t, "http://"+address+"/ready", http.StatusOK); !strings.Contains(h.Refuses, reason) {
		t.Errorf("the health endpoint answers %+v", h)
	}
	// The lease is short, so that a heartbeat comes soon. If the machine was paused for longer, the replica is shown again after
	// its next heartbeat.
	for command, want := range map[string]string{
		"replicas": "refuses: ", "doctor": "takes no tasks: ", "get a": "a replica that takes tasks: all of the queue refuse them, such as ",
	} {
		u.until(command+" shows the refusal", func() bool {
			a := u.run(strings.Fields(command)...)
			return strings.Contains(strings.Join(strings.Fields(a.out), " "), want) && (a.code == exitFailed) == (command == "doctor")
		})
	}
}
