package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ltsworker/ltsworker/task"
)

func TestAnswerIsTheResultOfASignedRequest(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, `{"frames":250}`) })
	result, err := s.handler(t)(t.Context(), newTask(`{"url":"<a>"}`))
	if err != nil || string(result) != `{"frames":250}` {
		t.Fatalf("%q, %v", result, err)
	}
	r := s.all()[0]
	verify(t, r)
	m := fields(t, r.body)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Webhook-Id") != m["name"] {
		t.Errorf("%s %v", r.Method, r.Header)
	}
	delete(m, "name")
	if diff := cmp.Diff(fields(t, `{"type":"task.call","payload":{"url":"<a>"},
		"task":{"id":"t-1","kind":"cut","queue":"video","pool":"media","attempt":1,"fence":7}}`), m); diff != "" {
		t.Error(diff)
	}
}

func TestLongAnswerIsExportedWhole(t *testing.T) {
	body := strings.Repeat("x", task.MaxStagedResult)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
	tk := newTask("1")
	tk.LargeResult = task.ExportLargeResult
	if result, err := s.handler(t)(t.Context(), tk); err != nil || string(result) != body {
		t.Errorf("%d bytes, %v", len(result), err)
	}
}

func TestPayloadThatIsNotJSONIsTextOrBase64(t *testing.T) {
	s := serve(t, nil)
	for payload, want := range map[string]string{"plain": `"payload_text":"plain"`, "\xff\x00": `"payload_base64":"/wA="`, "": `"fence":7}}`} {
		if _, err := s.handler(t)(t.Context(), newTask(payload)); err != nil {
			t.Fatal(err)
		}
		if all := s.all(); !strings.Contains(all[len(all)-1].body, want) {
			t.Errorf("%q: %s", payload, all[len(all)-1].body)
		}
	}
}

func TestEachSecretSigns(t *testing.T) {
	s := serve(t, nil)
	const next = "whsec_bmV4dC1uZXh0LW5leHQtbmV4dC1uZXh0LW5leHQ="
	if _, err := s.handler(t, func(c *Config) { c.Secrets = []string{next, secret} })(t.Context(), newTask("1")); err != nil {
		t.Fatal(err)
	}
	verify(t, s.all()[0])
	if _, err := s.handler(t, func(c *Config) { c.Secrets = nil })(t.Context(), newTask("1")); err != nil {
		t.Fatal(err)
	}
	if h := s.all()[1].Header; h.Get("Webhook-Signature") != "" || h.Get("Webhook-Id") == "" {
		t.Errorf("without a secret: %v", h)
	}
}

// The webhook-id is the key with which a service recognises a repeated request.
func TestOwnersOfAnAttemptUseOneIDAndAttemptsUseOthers(t *testing.T) {
	s := serve(t, nil)
	h := s.handler(t)
	for _, change := range []func(*task.Task){
		func(*task.Task) {},
		func(tk *task.Task) { tk.Attempt, tk.Fence, tk.Lost = 2, 8, 1 }, // after a lost lease
		func(tk *task.Task) { tk.Attempt, tk.Fence = 2, 8 },             // after a release
		func(tk *task.Task) { tk.Attempt, tk.Fence, tk.Failures = 2, 8, 1 },
		func(tk *task.Task) { tk.Generation = 1 },
		func(tk *task.Task) { tk.ID = "t-2" },
		func(tk *task.Task) { tk.CreatedAt = tk.CreatedAt.Add(time.Millisecond) },
	} {
		tk := newTask("1")
		change(tk)
		if _, err := h(t.Context(), tk); err != nil {
			t.Fatal(err)
		}
	}
	ids := map[string]int{}
	for _, r := range s.all() {
		ids[r.Header.Get("Webhook-Id")]++
	}
	if len(ids) != 5 || ids[s.all()[0].Header.Get("Webhook-Id")] != 3 {
		t.Errorf("%v", ids)
	}
}

func TestStatusDecidesAboutTheAttempt(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		var after string
		fmt.Sscan(strings.ReplaceAll(r.URL.Path[1:], "-", " "), &status, &after)
		if after != "" {
			w.Header().Set("Retry-After", after)
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			io.WriteString(w, "why\n not\x00")
		}
	})
	permanent, delayed := task.Disposition{Permanent: true}, task.Disposition{Delay: 7 * time.Second, DelaySet: true}
	for path, want := range map[string]task.Disposition{
		"200": {}, "201": {}, "202": {}, "204": {},
		"400": permanent, "404": permanent, "409": permanent, "410": permanent, "413": permanent, "422": permanent,
		"401": {}, "403": {}, "407": {},
		"408": {}, "425": {}, "429": {}, "408-7": delayed, "425-7": delayed, "429-7": delayed,
		"429-99999999": {Delay: time.Hour, DelaySet: true}, "429-soon": {}, "429-0": {DelaySet: true},
		"500": {}, "502": {}, "503": {}, "503-7": delayed,
		"302": {}, "304": {},
	} {
		result, err := s.handler(t, func(c *Config) { c.URL += "/" + path })(t.Context(), newTask("1"))
		if d := task.DispositionOf(err); d != want {
			t.Errorf("%s: %+v, want %+v", path, d, want)
		}
		switch {
		case path[0] == '2' && (err != nil || string(result) != "why\n not\x00" && path != "204"):
			t.Errorf("%s: %q, %v", path, result, err)
		case path[0] != '2' && (err == nil || !strings.Contains(err.Error(), "answered with status "+path[:3])):
			t.Errorf("%s: %q, %v", path, result, err)
		case path == "400" && !strings.HasSuffix(err.Error(), "status 400 (Bad Request): why not"):
			t.Error(err)
		}
	}
}

// cutFirst answers the first n requests with the end of the connection.
func cutFirst(n int64, answer string) http.HandlerFunc {
	var served atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if served.Add(1) > n {
			io.WriteString(w, answer)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
	}
}

func TestRequestThatMayHaveArrivedIsRepeatedOnlyWithAKey(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		s := serve(t, cutFirst(2, "done"))
		result, err := s.handler(t, func(c *Config) { c.Idempotent = idempotent })(t.Context(), newTask("1"))
		all := s.all()
		if !idempotent {
			if err == nil || len(all) != 1 || task.DispositionOf(err) != (task.Disposition{}) {
				t.Errorf("%q, %v after %d requests, want a failure after 1", result, err, len(all))
			}
			continue
		}
		if err != nil || string(result) != "done" || len(all) != 3 {
			t.Fatalf("%q, %v after %d requests", result, err, len(all))
		}
		for _, r := range all {
			verify(t, r)
			if r.Header.Get("Webhook-Id") != all[0].Header.Get("Webhook-Id") {
				t.Error("a repeated request has another webhook-id")
			}
		}
	}
}

// freeAddress returns an address at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A service that is away uses no attempt, and its outage is logged once.
func TestConnectionsAreRepeatedWithinTheAttempt(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") })
	address := freeAddress(t)
	h := s.handler(t, func(c *Config) { c.URL, c.RetryWithin = "http://"+address, time.Hour })
	type outcome struct {
		result []byte
		err    error
	}
	done := make(chan outcome, 3)
	for range cap(done) {
		go func() {
			result, err := h(t.Context(), newTask("1"))
			done <- outcome{result, err}
		}()
	}
	for s.log.count("cannot be used") == 0 {
		time.Sleep(time.Millisecond) // a pause between two looks at the condition
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	go server.Serve(l)
	defer server.Close()
	for range cap(done) {
		if o := <-done; o.err != nil || string(o.result) != "done" {
			t.Errorf("%q, %v", o.result, o.err)
		}
	}
	if s.log.count("cannot be used") != 1 || s.log.count("answers again") != 1 {
		t.Errorf("logged\n%s", s.log.all())
	}
}

func TestServiceThatStaysAwayFailsTheAttempt(t *testing.T) {
	s := serve(t, nil)
	h := s.handler(t, func(c *Config) {
		c.URL, c.RetryWithin = "http://"+freeAddress(t)+"/secret-path?key=hush", time.Nanosecond
	})
	for range 2 {
		_, err := h(t.Context(), newTask("1"))
		if err == nil || task.DispositionOf(err) != (task.Disposition{}) || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "hush") {
			t.Error(err)
		}
	}
	if s.log.count("cannot be used") != 1 || strings.Contains(s.log.all(), "hush") {
		t.Errorf("logged\n%s", s.log.all())
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(task.ErrStopped)
	if _, err := h(ctx, newTask("1")); !errors.Is(err, task.ErrStopped) {
		t.Errorf("after a stop: %v", err)
	}
}

func TestRequestEndsWithItsAttempt(t *testing.T) {
	arrived := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-arrived
		cancel(task.ErrTimeout)
	}()
	if _, err := s.handler(t, func(c *Config) { c.Idempotent = true })(ctx, newTask("1")); !errors.Is(err, task.ErrTimeout) {
		t.Error(err)
	}
	if s.log.all() != "" {
		t.Errorf("the end of an attempt is no outage: %s", s.log.all())
	}
}
