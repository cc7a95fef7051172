package remote

import (
	"log/slog"
	"sync"
	"time"
)

// outage logs once when requests begin to fail and once when they succeed again. In the
// mode Jobs, package async logs outages.
type outage struct {
	log  *slog.Logger // nil for none
	host string

	mu    sync.Mutex
	since time.Time // zero if requests do not fail
	last  time.Time // of the last failure
}

// begin records a failed request.
func (o *outage) begin(err error) {
	if o.log == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
	if o.since.IsZero() {
		o.since = o.last
		o.log.Warn("a service cannot be used; its tasks wait or fail as their policy says", "service", o.host, "err", err)
	}
}

// over records an answer to a request that began then. An answer to an earlier request
// than the last one that failed does not end the outage.
func (o *outage) over(began time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() && !began.Before(o.last) {
		o.log.Info("a service answers again", "service", o.host, "after", time.Since(o.since).Round(time.Millisecond))
		o.since = time.Time{}
	}
}
