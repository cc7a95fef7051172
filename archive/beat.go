package archive

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/task"
)

// beat is what the archiver publishes in Redis, so that doctor and stats show the archive to
// users who cannot read it.
type beat struct {
	changed chan struct{} // full after an outage has begun or ended

	mu   sync.Mutex
	info task.ArchiveInfo
}

// at records how far the archive is.
func (b *beat) at(cursor string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.info.Cursor != cursor {
		b.info.Cursor, b.info.Committed = cursor, time.Now()
	}
}

// reached records how far the archive is after a step. committed is set after a commit, err
// is an error of the database.
func (a *Archiver) reached(committed bool, err error) {
	a.beat.mu.Lock()
	defer a.beat.mu.Unlock()
	i := &a.beat.info
	if (i.Outage == nil) != (err == nil) {
		select {
		case a.beat.changed <- struct{}{}:
		default:
		}
	}
	if i.Cursor = a.cursor; committed {
		i.Committed = time.Now()
	}
	switch {
	case err == nil:
		i.Outage = nil
	case i.Outage == nil:
		i.Outage = &task.Outage{Of: "the database", Since: time.Now(), Error: err.Error()}
	default:
		o := *i.Outage
		o.Error = err.Error()
		i.Outage = &o
	}
}

const (
	// publishTimeout bounds a call that publishes.
	publishTimeout = 2 * time.Second
	// deniedPause is the pause after a permission was missing.
	deniedPause = time.Minute
)

// publish publishes the state of the archive until ctx ends, and then once more. During an
// outage of Redis it does nothing, which the copying logs. A missing permission is logged
// once.
func (a *Archiver) publish(ctx context.Context) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	denied := false
	once := func(ctx context.Context) error {
		a.beat.mu.Lock()
		i := a.beat.info
		a.beat.mu.Unlock()
		if i.Cursor == "" {
			return nil
		}
		i.Place, i.Host, i.PID, i.Once = a.db.Place(), host, os.Getpid(), a.once
		ctx, cancel := context.WithTimeout(ctx, publishTimeout)
		defer cancel()
		return a.source.PublishArchive(ctx, i)
	}
	for ctx.Err() == nil {
		pause := task.ArchiveBeat
		if err := once(ctx); errors.Is(err, task.ErrDenied) {
			if pause = deniedPause; !denied {
				denied = true
				a.log.Warn("the user of Redis may not publish the state of the archive: doctor and stats do not show it to others", "err", err)
			}
		}
		select {
		case <-time.After(pause):
		case <-a.beat.changed:
		case <-ctx.Done():
		}
	}
	if !denied {
		_ = once(context.WithoutCancel(ctx))
	}
}

// identify reads the id of the archive of the pool. It makes one if there is none.
func (t *tx) identify(ctx context.Context, pool string) (id string, err error) {
	if _, err := t.exec(ctx, "UPDATE lts_cursors SET archive = ? WHERE pool = ? AND archive = ''", rand.Text(), pool); err != nil {
		return "", err
	}
	err = t.row(ctx, "SELECT archive FROM lts_cursors WHERE pool = ?", pool).Scan(&id)
	return id, err
}
