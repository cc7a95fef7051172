package async

import (
	"log/slog"
	"sync"
	"time"
)

// outage logs failing calls to the remote. The log has one line when the first method
// begins to fail, and one when each method that failed has succeeded again.
type outage struct {
	log *slog.Logger

	mu      sync.Mutex
	failing map[string]bool // by method
	since   time.Time
	last    time.Time // when a call failed last
}

// outageGap is the time without a failed call after which a failure is a new outage. A
// method that failed may never be called again.
const outageGap = 5 * time.Minute

// failed records a failed call. It logs msg unless an outage is going on.
func (o *outage) failed(method, msg string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if len(o.failing) == 0 || now.Sub(o.last) > outageGap {
		o.failing, o.since = map[string]bool{}, now
		o.log.Warn(msg, args...)
	}
	o.failing[method], o.last = true, now
}

// continues records that a repeated call has failed again.
func (o *outage) continues() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = time.Now()
}

// ended records that the remote has answered a call of a method.
func (o *outage) ended(method string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.failing[method] {
		return
	}
	delete(o.failing, method)
	if len(o.failing) == 0 {
		o.log.Info("calls to the remote succeed again", "after", time.Since(o.since).Round(time.Millisecond))
	}
}
