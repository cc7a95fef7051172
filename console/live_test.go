package console

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/task"
)

// patient is how long a test waits for something that happens at once.
const patient = time.Minute

// stream is an open stream of events.
type stream struct {
	t    *testing.T
	resp *http.Response
	in   *bufio.Reader
}

func (b *browser) listen(after string) *stream {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+"/p/"+b.name+"/live", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%v, %v", resp, err)
	}
	s := &stream{b.t, resp, bufio.NewReader(resp.Body)}
	b.t.Cleanup(s.close)
	return s
}

func (s *stream) close() { s.resp.Body.Close() }

// next reads the next message and its id.
func (s *stream) next() (id string, m message) {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if text, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSpace(text)
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				s.t.Fatal(err)
			}
			return id, m
		}
	}
}

// reading waits until the hub reads the events of the pool: it asks for new ones only.
func (b *browser) reading() {
	b.t.Helper()
	late := time.Now().Add(patient)
	for n := 0; ; n++ {
		b.enqueue(task.Spec{})
		h := b.c.sites[b.name].hub
		h.mu.Lock()
		seen := len(h.recent)
		h.mu.Unlock()
		if seen > 0 {
			return
		}
		if time.Now().After(late) {
			b.t.Fatal("the hub reads nothing")
		}
		time.Sleep(10 * time.Millisecond) // it reads in a goroutine of its own
	}
}

func TestStreamContinuesAfterABreak(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.listen("")
	other := b.listen("") // keeps the hub reading
	b.reading()
	b.enqueue(task.Spec{ID: "a"})
	var last string
	named := func(s *stream, id string) {
		t.Helper()
		for {
			cursor, m := s.next()
			if last = cursor; strings.Contains(" "+strings.Join(m.Tasks, " ")+" ", " "+id+" ") {
				return
			}
			if m.Reset {
				t.Fatal("a reset")
			}
		}
	}
	named(s, "a")
	s.close()
	from := last
	b.enqueue(task.Spec{ID: "b"})
	named(other, "b")
	again := b.listen(from)
	named(again, "b")
	if _, m := b.listen("1-1").next(); !m.Reset {
		t.Errorf("an unknown position: %+v", m)
	}
}

// A browser that does not read loses no change: it is told to read everything again.
func TestSlowBrowsersAreReset(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	h := b.c.sites[b.name].hub
	c, _, ok := h.join("")
	if !ok {
		t.Fatal("the hub is closed")
	}
	defer h.leave(c)
	for range waiting + 5 {
		h.send(t.Context(), message{Cursor: "1-1", Events: 1})
	}
	for range waiting {
		if m := <-c.messages; m.Reset {
			t.Fatal("a reset before anything was lost")
		}
	}
	h.send(t.Context(), message{Cursor: "2-1", Events: 1})
	if m := <-c.messages; !m.Reset {
		t.Error("no reset after lost messages")
	}
	h.send(t.Context(), message{Cursor: "3-1", Events: 1})
	if m := <-c.messages; m.Reset {
		t.Error("a second reset")
	}
}

func TestClosedConsoleEndsItsStreams(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.listen("")
	b.c.Close()
	if _, err := s.in.ReadString('\n'); err == nil {
		t.Error("the stream goes on")
	}
	if status, _ := b.do(http.MethodGet, "/p/"+b.name+"/live", nil); status != http.StatusServiceUnavailable {
		t.Errorf("a new stream: %d", status)
	}
}

// Without browsers the hub reads no events.
func TestNobodyListensNothingIsRead(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	s := b.listen("")
	h := b.c.sites[b.name].hub
	s.close()
	late := time.Now().Add(patient)
	for {
		h.mu.Lock()
		stopped, clients := h.stop == nil, len(h.clients)
		h.mu.Unlock()
		if stopped && clients == 0 {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%d clients, stopped: %v", clients, stopped)
		}
		time.Sleep(5 * time.Millisecond) // the server notices the end of the connection by itself
	}
}

func TestStreamsNeedTheRole(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	b.as(access.None)
	if status, _ := b.do(http.MethodGet, "/p/"+b.name+"/live", nil); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
}
