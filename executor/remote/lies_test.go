package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// A body over the limit is cut without reading the rest.
func TestHugeBodyIsCutAtTheLimit(t *testing.T) {
	const size = 1 << 30
	var written, closed atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		chunk := []byte(strings.Repeat("x", 64<<10))
		for n := 0; n < size; n += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				closed.Add(1)
				return
			}
			written.Add(int64(len(chunk)))
		}
	})
	for path, mark := range map[string]string{"/length": "of 1073741824 bytes]", "/chunks": "of more than 65536 bytes]"} {
		change := func(c *Config) { c.URL += path }
		result, err := s.handler(t, change)(t.Context(), newTask("1"))
		if err != nil || len(result) > DefaultMaxResult || !strings.HasSuffix(string(result), mark) {
			t.Errorf("%s: %d bytes, %.50q, %v", path, len(result), result[max(0, len(result)-50):], err)
		}
		for large, limit := range map[task.LargeResult]string{task.FailLargeResult: "65536", task.ExportLargeResult: "4000000"} {
			tk := newTask("1")
			tk.LargeResult = large
			if _, err := s.handler(t, change)(t.Context(), tk); !task.DispositionOf(err).Permanent || !strings.Contains(err.Error(), limit) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	s.Close() // returns when the requests have ended
	if closed.Load() != 6 || written.Load() > size/4 {
		t.Errorf("%d connections were closed, and %d bytes were sent", closed.Load(), written.Load())
	}
}

// serveRaw answers each connection with write after the request was read.
func serveRaw(t *testing.T, write func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					io.Copy(io.Discard, r.Body)
					write(c)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestServiceThatLiesFailsTheAttempt(t *testing.T) {
	repeat := func(c net.Conn, text string) {
		for {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
	for name, write := range map[string]func(net.Conn){
		"short body": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf") },
		"two lengths": func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
		},
		"no HTTP":          func(c net.Conn) { io.WriteString(c, "SSH-2.0-hello\r\n") },
		"nothing":          func(net.Conn) {},
		"endless header":   func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n"); repeat(c, "X-A: b\r\n") },
		"endless line":     func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "); repeat(c, "aaaaaaaaaaaaaaaa") },
		"endless continue": func(c net.Conn) { repeat(c, "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n") },
		"bad chunk":        func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") },
		"answer never ends": func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			io.Copy(io.Discard, c)
		},
		"answer never comes": func(c net.Conn) { io.Copy(io.Discard, c) },
	} {
		s := serve(t, nil)
		h := s.handler(t, func(c *Config) {
			c.URL = serveRaw(t, write)
			if strings.Contains(name, "never") {
				c.Timeout = 20 * time.Millisecond
			}
		})
		result, err := h(t.Context(), newTask("1"))
		if err == nil || task.DispositionOf(err) != (task.Disposition{}) || result != nil {
			t.Errorf("%s: %q, %v", name, result, err)
		}
		if strings.Contains(name, "never") && !errors.Is(err, errSilent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
