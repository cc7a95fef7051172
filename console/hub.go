package console

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// gather is how long events are gathered for one message. An event is on the screen after
	// this time, and a request of the page.
	gather = 100 * time.Millisecond
	// mostNamed is how many tasks a message names. A page of a task that is not named in a full
	// message reads its task again all the same.
	mostNamed = 200
	// kept is how many messages a browser may miss and still continue without a gap.
	kept = 1200
	// waiting is how many messages a slow browser may be behind before it is sent a reset.
	waiting = 64
)

// message tells browsers what has changed since the message before.
type message struct {
	Cursor string   `json:"-"` // of its last event
	Tasks  []string `json:"tasks,omitempty"`
	Full   bool     `json:"full,omitempty"` // more tasks have changed than Tasks names
	Events int      `json:"events,omitempty"`
	Reset  bool     `json:"reset,omitempty"` // messages are missing: read everything again
}

// hub reads the events of a pool once for all browsers, while there are some.
type hub struct {
	pool *pool.Pool
	log  *slog.Logger

	changed atomic.Int64 // when the last event was read, in ns; 0 for never

	mu      sync.Mutex
	clients map[*client]bool
	recent  []message // newest last
	stop    context.CancelFunc
	done    chan struct{}
	closed  bool
}

// client is the stream of one browser.
type client struct {
	messages chan message
	behind   bool // its channel was full: it gets a reset instead of what it has missed
}

func newHub(p *pool.Pool, log *slog.Logger) *hub {
	return &hub{pool: p, log: log, clients: map[*client]bool{}}
}

// join adds a browser that has seen all messages up to a cursor, "" for none. missed are the
// messages since.
func (h *hub) join(after string) (c *client, missed []message, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, nil, false
	}
	c = &client{messages: make(chan message, waiting)}
	h.clients[c] = true
	if h.stop == nil {
		h.start()
	}
	if after != "" {
		i := slices.IndexFunc(h.recent, func(m message) bool { return m.Cursor == after })
		if i < 0 {
			return c, []message{{Reset: true}}, true
		}
		missed = slices.Clone(h.recent[i+1:])
	}
	return c, missed, true
}

// leave removes a browser. Without browsers no events are read.
func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	if len(h.clients) == 0 && h.stop != nil {
		h.stop()
		h.stop, h.recent = nil, nil
	}
}

func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
	for c := range h.clients {
		close(c.messages)
	}
	clear(h.clients)
	done := h.done
	h.mu.Unlock()
	if done != nil {
		<-done
	}
}

func (h *hub) start() {
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.done = stop, make(chan struct{})
	go h.run(ctx, h.done)
}

// run reads events and sends a message of those that arrived within gather.
func (h *hub) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	events := make(chan task.Event, 1000)
	go func() {
		defer close(events)
		for e, err := range h.pool.Events(ctx, "") {
			if err != nil { // also a gap: the pages read everything again
				h.log.Warn("the console misses events", "err", err)
				e = task.Event{}
			}
			select {
			case events <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	var timer <-chan time.Time
	var m message
	named := map[string]bool{}
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			h.changed.Store(time.Now().UnixNano())
			m.add(e, named)
			if timer == nil {
				timer = time.After(gather)
			}
		case <-timer:
			timer = nil
			h.send(ctx, m)
			m = message{}
			clear(named)
		}
	}
}

func (m *message) add(e task.Event, named map[string]bool) {
	m.Events++
	if e.Cursor == "" {
		m.Reset = true
		return
	}
	m.Cursor = e.Cursor
	if e.ID == "" || named[e.ID] {
		return
	}
	if len(named) == mostNamed {
		m.Full = true
		return
	}
	named[e.ID] = true
	m.Tasks = append(m.Tasks, e.ID)
}

func (h *hub) send(ctx context.Context, m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil { // another reader has begun
		return
	}
	if m.Cursor != "" {
		h.recent = append(h.recent, m)
		h.recent = h.recent[max(len(h.recent)-kept, 0):]
	}
	for c := range h.clients {
		to := m
		to.Reset = m.Reset || c.behind
		select {
		case c.messages <- to:
			c.behind = false
		default:
			c.behind = true
		}
	}
}

func (m message) text() []byte {
	text, _ := json.Marshal(m)
	return text
}
