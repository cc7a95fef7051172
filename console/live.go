package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/ltsworker/ltsworker/console/access"
)

// beat is how often a quiet stream sends a comment: proxies end connections that are silent for
// a minute.
const beat = 20 * time.Second

// live streams what changes in the pool as server-sent events. It ends when the user no longer
// has the right to see the pool.
func (q *request) live() error {
	after := q.Header.Get("Last-Event-ID")
	client, missed, ok := q.site.hub.join(after)
	if !ok {
		return &problem{http.StatusServiceUnavailable, "error.closing", nil}
	}
	defer q.site.hub.leave(client)
	out := http.NewResponseController(q.w)
	// The stream has no end; a server's timeout for answers would cut it.
	_ = out.SetWriteDeadline(time.Time{})
	q.w.Header().Set("Content-Type", "text/event-stream")
	q.w.Header().Set("X-Accel-Buffering", "no") // nginx would gather events
	send := func(m message) error {
		id := ""
		if m.Cursor != "" {
			id = "id: " + m.Cursor + "\n"
		}
		if _, err := fmt.Fprintf(q.w, "%sdata: %s\n\n", id, m.text()); err != nil {
			return err
		}
		return out.Flush()
	}
	for _, m := range missed {
		if send(m) != nil {
			return nil
		}
	}
	if err := out.Flush(); err != nil {
		return nil
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case m, ok := <-client.messages:
			if !ok || send(m) != nil {
				return nil
			}
		case <-tick.C:
			if q.c.opts.Gate.Peek(q.Request).Role(q.site.name) < access.Viewer {
				return nil
			}
			if _, err := fmt.Fprint(q.w, ": \n\n"); err != nil || out.Flush() != nil {
				return nil
			}
		case <-q.Context().Done():
			return nil
		}
	}
}
