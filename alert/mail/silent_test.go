package mail

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

// The server stops answering at the command last, and the context of the mail ends at the same time.
func TestEndOfTheContextEndsAMailToASilentServer(t *testing.T) {
	for _, last := range []string{"EHLO", "MAIL FROM", "DATA"} {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		m, err := New(Config{Host: silent(t, last, end), From: "alerts@example.com", To: []string{"a@example.com"}, Encryption: None, Networks: []string{"127.0.0.1"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Send(ctx, message()); err == nil || !strings.Contains(err.Error(), "context canceled") || strings.Contains(err.Error(), "i/o timeout") {
			t.Errorf("%s: %v", last, err)
		}
	}
}

// silent starts a mail server that answers commands until it reads one that begins with last. For
// that one it calls reached, and it answers nothing more.
func silent(t *testing.T, last string, reached func()) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "220 localhost\r\n")
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), last) {
				reached()
				_, _ = io.Copy(io.Discard, conn)
				return
			}
			_, _ = io.WriteString(conn, "250 OK\r\n")
		}
	}()
	return l.Addr().String()
}
