package main

import (
	"net"
	"strings"
	"testing"

	"github.com/ltsworker/ltsworker/internal/record"
)

// Nothing listens at the address of a service. Operators see that without the log of the replica, from the attempt that
// failed until one has worked. The task is retried, so that a paused machine, which loses an attempt, does not end it.
func TestAServiceThatIsAwayIsShown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	u := newUser(t)
	u.write("w.yaml", "lease: 2s\nqueues: {default: {workers: 2}}\nhandlers: {call: {remote: {url: 'http://"+address+
		"/', networks: [127.0.0.1], retry_within: 100ms}}}\n", 0o600)
	r := u.startWith("w.yaml")
	u.must("enqueue", "call", "--id", "a")
	r.await("a service cannot be used")
	u.until("the heartbeat has the outage", func() bool {
		records := decodeLines[record.Replica](t, u.must("replicas", "--json"))
		return len(records) == 1 && len(records[0].Outages) == 1 && records[0].Outages[0].Of == "the service "+address &&
			strings.Contains(records[0].Outages[0].Error, "refused") && records[0].Outages[0].Since != ""
	})
	u.until("replicas shows it", func() bool { return strings.Contains(u.must("replicas"), "cannot use the service "+address) })
	u.until("doctor shows it", func() bool {
		a := u.run("doctor")
		return a.code == exitFailed && strings.Contains(strings.Join(strings.Fields(a.out), " "), "calls to the service "+address+" fail since ")
	})
}
