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
	client, missed := q.site.hub.join(q.user.Name, q.Header.Get("Last-Event-ID"))
	if client == nil {
		return &problem{http.StatusServiceUnavailable, "error.streams", nil}
	}
	defer q.site.hub.leave(client)
	out := http.NewResponseController(q.w)
	q.w.Header().Set("Content-Type", "text/event-stream")
	q.w.Header().Set("X-Accel-Buffering", "no") // nginx would gather events
	// The stream has no end, so the server's timeout for answers must not hold; a browser that
	// stops reading ends it.
	write := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(beat))
		_, err := fmt.Fprint(q.w, text)
		return err == nil && out.Flush() == nil
	}
	for _, m := range missed {
		if !write(m.text()) {
			return nil
		}
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case m, ok := <-client.messages:
			if !ok || !write(m.text()) {
				return nil
			}
		case <-tick.C:
			if q.c.opts.Gate.Peek(q.Request).Role(q.site.name) < access.Viewer || !write(": \n\n") {
				return nil
			}
		case <-q.Context().Done():
			return nil
		}
	}
}
