package egress

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestRedirectIsTheResponseByDefault(t *testing.T) {
	s, connections := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/next", http.StatusFound) })
	c := NewClient(Options{Networks: only(t, "127.0.0.1")})
	res, err := c.Get(s.URL)
	if err != nil || res.StatusCode != http.StatusFound || connections.Load() != 1 {
		t.Fatalf("%v, %v, %d connections", res, err, connections.Load())
	}
	res.Body.Close()
}

func TestRedirectToAnAddressInsideIsRefusedAtTheConnection(t *testing.T) {
	inside, connections := listen(t, "127.0.0.2:0", func(w http.ResponseWriter, r *http.Request) {})
	for _, to := range []string{inside.URL, "http://169.254.169.254/latest/meta-data", "http://[::ffff:10.0.0.1]:80/", "http://[::1]:" + port(inside), "http://2130706434:" + port(inside)} {
		s, _ := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		c := NewClient(Options{Networks: only(t, "127.0.0.1"), Redirects: 3})
		_, err := get(t, c, s.URL)
		if refused := errors.Is(err, ErrAddress); err == nil || !refused && !strings.Contains(to, "2130706434") {
			t.Errorf("%s: %v", to, err)
		}
	}
	if connections.Load() != 0 {
		t.Errorf("%d connections to an address inside", connections.Load())
	}
}

// A redirect may lead to another host, which gets neither headers nor the body.
func TestHeadersAndBodyStayAtTheirHost(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s key=%s signature=%s referer=%s body=%s", r.Method, r.Header.Get("X-Key"), r.Header.Get("Webhook-Signature"), r.Header.Get("Referer"), b)
	}
	other, _ := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		echo(w, r)
	})
	s, _ := listen(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		status, to, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "-")
		if !ok {
			echo(w, r)
			return
		}
		code := http.StatusFound
		if status == "307" {
			code = http.StatusTemporaryRedirect
		}
		switch to {
		case "same":
			http.Redirect(w, r, "/", code)
		case "other":
			http.Redirect(w, r, other.URL, code)
		case "again":
			http.Redirect(w, r, other.URL+"/again", code)
		case "loop":
			http.Redirect(w, r, r.URL.Path, code)
		}
	})
	c := NewClient(Options{Networks: only(t, "127.0.0.1"), Redirects: 3})
	for path, want := range map[string]string{
		"307-same":  "POST key=k signature=s referer= body=b",
		"302-same":  "GET key=k signature= referer= body=",
		"302-other": "GET key= signature= referer= body=",
		"302-again": "GET key= signature= referer= body=",
		"307-other": "another host",
		"302-loop":  "the limit of 3",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/"+path, strings.NewReader("b"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Key", "k")
		req.Header.Set("Webhook-Signature", "s")
		res, err := c.Do(req)
		got := fmt.Sprint(err)
		if err == nil {
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			got = strings.ReplaceAll(string(b), s.URL+"/"+path, "")
		} else if !errors.Is(err, ErrRedirect) {
			t.Errorf("%s: %v", path, err)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestRedirectNeverLeavesTLS(t *testing.T) {
	check := redirects(3)
	first := &http.Request{URL: &url.URL{Scheme: "https", Host: "a.example"}, Header: http.Header{}}
	next := &http.Request{URL: &url.URL{Scheme: "http", Host: "a.example"}, Header: http.Header{}}
	if err := check(next, []*http.Request{first}); !errors.Is(err, ErrRedirect) {
		t.Error(err)
	}
}
