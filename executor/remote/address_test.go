package remote

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ltsworker/ltsworker/internal/egress"
)

func TestAddressesInsideAreRefusedWithoutARequest(t *testing.T) {
	s := serve(t, nil)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "[64:ff9b::7f00:1]"} {
		_, err := s.handler(t, func(c *Config) { c.URL, c.Networks = "http://"+host+":"+port, nil })(t.Context(), newTask("1"))
		if !errors.Is(err, egress.ErrAddress) || !strings.Contains(err.Error(), "add its network to networks") {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(s.all()) != 0 {
		t.Error("a request has arrived")
	}
}

// A redirect leads to no address inside, and is not repeated as one of a service that is away.
func TestRedirectToAnAddressInsideIsRefused(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.2:"+r.URL.Path[1:], http.StatusSeeOther)
	})
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int64
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			connections.Add(1)
			c.Close()
		}
	}()
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for redirects, want := range []string{"a redirect that is not followed", egress.ErrAddress.Error()} {
		_, err := s.handler(t, func(c *Config) { c.URL, c.Redirects, c.Idempotent = c.URL+"/"+port, redirects, true })(t.Context(), newTask("1"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d redirects: %v", redirects, err)
		}
	}
	if len(s.all()) != 2 || connections.Load() != 0 {
		t.Errorf("%d requests, %d connections inside", len(s.all()), connections.Load())
	}
}
