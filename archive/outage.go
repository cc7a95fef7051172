package archive

import (
	"context"
	"log/slog"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
)

// outage spaces and logs the failing calls to one server: a line when they begin to fail
// and one when they work again.
type outage struct {
	log   *slog.Logger
	of    string
	tries int
	since time.Time
}

// pause waits before the next try after err.
func (o *outage) pause(ctx context.Context, err error) { _ = backoff.Sleep(ctx, o.failed(err)) }

// failed records a failed call. It returns how long to wait before the next one.
func (o *outage) failed(err error) time.Duration {
	if o.tries == 0 {
		o.since = time.Now()
		o.log.Error("calls to "+o.of+" fail; trying again until they work", "err", err)
	}
	o.tries++
	return backoff.Delay(o.tries)
}

// recovered records that the calls work.
func (o *outage) recovered() {
	if o.tries > 0 {
		o.log.Warn(o.of+" works again", "after", time.Since(o.since).Round(time.Millisecond))
		o.tries = 0
	}
}

// databaseError is an error of the database, to tell it from those of Redis.
type databaseError struct{ err error }

func (e *databaseError) Error() string { return e.err.Error() }
func (e *databaseError) Unwrap() error { return e.err }

func inDatabase(err error) error {
	if err == nil {
		return nil
	}
	return &databaseError{err}
}
