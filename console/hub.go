package console

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/redisstore"
	"github.com/ltsworker/ltsworker/task"
)

const (
	// gather is how long events are gathered for one message. An event is on the screen after this
	// time and a request of the page.
	gather = 100 * time.Millisecond
	// mostNamed is how many tasks a message names. A page of a task that is not named in a full
	// message reads its task again all the same.
	mostNamed = 200
	// kept is how many messages a browser may miss and still continue without a gap.
	kept = 1200
	// waiting is how many messages a slow browser may be behind before it is sent a reset.
	waiting = 64
	// linger is how long events are read after the last browser has left, so that one that
	// comes back continues where it ended.
	linger = 30 * time.Second
	// again is the time before events are read again after an error.
	again = time.Second
	// mostStreams is how many streams one user may have in a pool: one for each browser.
	mostStreams = 50
)

// message lists what has changed since the previous message.
type message struct {
	Cursor string   `json:"-"` // of its last event
	Tasks  []string `json:"tasks,omitempty"`
	Full   bool     `json:"full,omitempty"` // more tasks have changed than Tasks names
	Events int      `json:"events,omitempty"`
	Reset  bool     `json:"reset,omitempty"` // messages are missing: read everything again
}

// hub reads the events of a pool once for all browsers, while there are some.
type hub struct {
	store *redisstore.Store
	pool  *pool.Pool
	log   *slog.Logger

	changed  atomic.Int64  // when the pool last changed, in ns: a picture that was begun before is old
	linger   time.Duration // see the constant
	notified chan struct{} // something without an event has changed

	mu      sync.Mutex
	clients map[*client]bool
	recent  []message // newest last
	stop    context.CancelFunc
	done    chan struct{}
	idle    *time.Timer // stops the reader after the last browser has left
	closed  bool
}

// client is the stream of one browser.
type client struct {
	user     string
	messages chan message
	behind   bool // its channel was full: it gets a reset instead of what it has missed
}

func newHub(store *redisstore.Store, p *pool.Pool, log *slog.Logger) *hub {
	return &hub{store: store, pool: p, log: log, linger: linger, notified: make(chan struct{}, 1), clients: map[*client]bool{}}
}

// join adds a browser of a user. after is the cursor of the last message that it has got; missed are the
// messages after that one. If after is "" or no longer known, missed is a reset, because the page was made
// before. It returns nil if the user has too many streams, or after close.
func (h *hub) join(user, after string) (c *client, missed []message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	streams := 0
	for other := range h.clients {
		if other.user == user {
			streams++
		}
	}
	if h.closed || streams >= mostStreams {
		return nil, nil
	}
	c = &client{user: user, messages: make(chan message, waiting)}
	h.clients[c] = true
	if h.idle != nil {
		h.idle.Stop()
		h.idle = nil
	}
	if h.stop == nil {
		h.start()
	}
	i := slices.IndexFunc(h.recent, func(m message) bool { return after != "" && m.Cursor == after })
	if i < 0 {
		return c, []message{{Reset: true}}
	}
	return c, slices.Clone(h.recent[i+1:])
}

// followed reports whether events are read, so that changes make what was read old.
func (h *hub) followed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stop != nil
}

// leave removes a browser.
func (h *hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	if len(h.clients) == 0 && h.stop != nil && h.idle == nil {
		h.idle = time.AfterFunc(h.linger, h.rest)
	}
}

// rest ends the reader if no browser has come since the last one has left.
func (h *hub) rest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.idle != nil && len(h.clients) == 0 && h.stop != nil {
		h.stop()
		h.stop, h.recent, h.idle = nil, nil, nil
	}
}

func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	if h.stop != nil {
		h.stop()
		h.stop = nil
	}
	if h.idle != nil {
		h.idle.Stop()
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

// old invalidates all pictures that were begun before now.
func (h *hub) old() { h.changed.Store(time.Now().UnixNano()) }

// notify sends a message although there is no event: pages read themselves again.
func (h *hub) notify() {
	select {
	case h.notified <- struct{}{}:
	default: // one is under way
	}
}

// read passes events on, those after the last one that the stream has now. An event without a
// position stands for events that are missing.
func (h *hub) read(ctx context.Context, events chan<- task.Event) {
	defer close(events)
	pass := func(e task.Event) bool {
		h.old()
		select {
		case events <- e:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for ctx.Err() == nil {
		// What has happened before this position is unknown: the pages read everything again.
		last, err := h.store.LastEvent(ctx)
		if err == nil && !pass(task.Event{}) {
			return
		}
		if err == nil {
			for e, failed := range h.pool.Events(ctx, cmp.Or(last, "0")) {
				if err = failed; failed != nil {
					h.log.Warn("the console misses events", "err", err)
					e = task.Event{}
				}
				if !pass(e) {
					return
				}
			}
		}
		if err != nil && ctx.Err() == nil {
			h.log.Warn("the console reads no events", "err", err)
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

// run sends a message of the events that arrived within gather.
func (h *hub) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	events := make(chan task.Event, 1000)
	go h.read(ctx, events)
	var timer <-chan time.Time
	var m message
	named := map[string]bool{}
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			m.add(e, named)
			if timer == nil {
				timer = time.After(gather)
			}
		case <-h.notified:
			if m.Events++; timer == nil {
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

// text returns the message as an event of a stream.
func (m message) text() string {
	data, _ := json.Marshal(m)
	id := ""
	if m.Cursor != "" {
		id = "id: " + m.Cursor + "\n"
	}
	return id + "data: " + string(data) + "\n\n"
}
