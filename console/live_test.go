package console

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
	"github.com/ltsworker/ltsworker/integration/redisserver"
	"github.com/ltsworker/ltsworker/redisstore"
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
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+b.path("live"), nil)
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
			if last = cursor; slices.Contains(m.Tasks, id) {
				return
			}
		}
	}
	named(s, "a")
	s.close()
	from := last
	b.enqueue(task.Spec{ID: "b"})
	named(other, "b")
	if _, m := b.listen(from).next(); !slices.Contains(m.Tasks, "b") || m.Reset {
		t.Errorf("after the break: %+v", m)
	}
	for _, after := range []string{"", "1-1"} {
		if _, m := b.listen(after).next(); !m.Reset {
			t.Errorf("after position %q: %+v", after, m)
		}
	}
}

// Redis does not answer when the first browser comes. The stream gets a reset once it does.
func TestStreamRecoversFromAnOutage(t *testing.T) {
	t.Parallel()
	server := redisserver.Start(t)
	store := redisstore.New(server.Client(t), "default")
	defer store.Close()
	b := newBrowser(t, func(o *Options) { o.Stores = []*redisstore.Store{store} })
	b.c.opts.Gate = open(t)
	b.name, b.store = "default", store
	server.Stop(t)
	s := b.listen("")
	if _, m := s.next(); !m.Reset {
		t.Errorf("the first message is %+v", m)
	}
	server.Restart(t)
	for {
		if _, m := s.next(); m.Reset {
			break
		}
	}
	b.enqueue(task.Spec{ID: "a"})
	for {
		if _, m := s.next(); slices.Contains(m.Tasks, "a") {
			break
		}
	}
}

func TestUserHasABoundedNumberOfStreams(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	h := b.c.sites[b.name].hub
	for range mostStreams {
		if c, _ := h.join("ann", ""); c == nil {
			t.Fatal("refused")
		}
	}
	if c, _ := h.join("ann", ""); c != nil {
		t.Error("one stream too many")
	}
	if c, _ := h.join("bob", ""); c == nil {
		t.Error("another user is refused")
	}
}

// A browser that reads too slowly loses messages. It then gets a reset, after which its page
// reads everything again.
func TestSlowBrowsersAreReset(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	h := b.c.sites[b.name].hub
	c, _ := h.join("ann", "")
	if c == nil {
		t.Fatal("the hub is closed")
	}
	defer h.leave(c)
	h.mu.Lock()
	h.stop()
	ended := h.done
	h.mu.Unlock()
	<-ended // its reader sends nothing any more
	for len(c.messages) > 0 {
		<-c.messages // the reader may have sent its first reset
	}
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
	if _, err := io.Copy(io.Discard, s.in); err != nil {
		t.Error(err)
	}
	if status, _ := b.do(http.MethodGet, b.path("live"), nil); status != http.StatusServiceUnavailable {
		t.Errorf("a new stream: %d", status)
	}
}

// Without browsers the hub reads no events.
func TestNobodyListensNothingIsRead(t *testing.T) {
	t.Parallel()
	b := newBrowser(t, nil)
	h := b.c.sites[b.name].hub
	h.linger = 0
	s := b.listen("")
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
	if status, _ := b.do(http.MethodGet, b.path("live"), nil); status != http.StatusNotFound {
		t.Errorf("%d", status)
	}
}
