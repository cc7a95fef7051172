package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSystemdIsToldOfReadinessLifeAndStop(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	// The path of a socket must be short.
	dir, err := os.MkdirTemp("", "n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	at := filepath.Join(dir, "s")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	u.env = append(u.env, "NOTIFY_SOCKET="+at, "WATCHDOG_USEC=100000")
	var received []string
	await := func(want string) {
		t.Helper()
		buf := make([]byte, 1024)
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := socket.Read(buf)
			if err != nil {
				t.Fatalf("%s was not received, only %s: %v", want, strings.Join(received, " "), err)
			}
			if received = append(received, string(buf[:n])); received[len(received)-1] == want {
				return
			}
		}
	}
	r := u.startReplica()
	await("READY=1")
	await("WATCHDOG=1")
	await("WATCHDOG=1")
	r.signal(syscall.SIGTERM)
	await("STOPPING=1")
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
