package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/internal/backoff"
	"github.com/ltsworker/ltsworker/task"
)

// Archiver copies a pool into an archive. Several archivers may copy a pool into the
// same archive: one of them copies, and the others check once a second whether it
// still does.
type Archiver struct {
	db     *DB
	source Source
	pool   string
	keep   time.Duration
	once   bool
	log    *slog.Logger

	cursor string // of the last event in the archive
	// unseen are ids whose first events the archive does not have.
	unseen []string
	// gaps reports whether there may be a gap that is not reconciled.
	gaps  bool
	page  int // events that are read at once
	hosts hosts
	waits
	beat
	// committing and committed are called before and after the commit of a page; nil but
	// in tests.
	committing, committed func()
}

const (
	eventPage = 1000
	eventWait = 5 * time.Second
	// gather is the pause after a short page, so that a pool with few events at a time
	// does not cause a transaction for each.
	gather = 200 * time.Millisecond
	// standby is the pause after another archiver has been faster.
	standby = time.Second
)

// New makes an Archiver. It makes no call.
func New(db *DB, source Source, c Config) (*Archiver, error) {
	if err := task.CheckName(c.Pool); err != nil {
		return nil, &task.FieldError{Field: "Pool", Msg: err.Error()}
	}
	if c.Keep < 0 {
		return nil, &task.FieldError{Field: "Keep", Msg: "must not be negative"}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Archiver{db: db, source: source, pool: c.Pool, keep: c.Keep, once: c.Once, log: c.Logger, page: eventPage,
		waits: waits{log: c.Logger}, beat: beat{changed: make(chan struct{}, 1)}}, nil
}

// errOvertaken is returned when another archiver has written the events first.
var errOvertaken = errors.New("another archiver of this pool is ahead")

// Run copies until ctx ends, or with Config.Once until nothing is left to copy, and then
// returns nil. It returns an error of its first calls, and task.ErrSchema. During later
// outages of Redis or the database it waits and logs.
func (a *Archiver) Run(ctx context.Context) error {
	if err := a.begin(ctx); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	defer a.background(ctx)()
	redis, database := outage{log: a.log, of: "Redis"}, outage{log: a.log, of: "the database"}
	verify := true
	for ctx.Err() == nil {
		n, err := a.step(ctx, verify)
		if err == nil && a.once && n == 0 && !a.gaps {
			if err = inDatabase(a.tidy(ctx)); err == nil {
				return nil
			}
		}
		var failed *databaseError
		switch {
		case err == nil:
			redis.recovered()
			database.recovered()
			a.reached(n > 0, nil)
			verify = n == 0
			if n < a.page/2 {
				_ = backoff.Sleep(ctx, gather)
			}
		case errors.Is(err, errOvertaken):
			redis.recovered()
			database.recovered()
			a.reached(false, nil)
			_ = backoff.Sleep(ctx, standby)
		case ctx.Err() != nil:
			a.beat.at(a.cursor) // the page may have been committed before ctx ended
		case errors.Is(err, task.ErrSchema):
			return fmt.Errorf("archive: %w", err)
		case errors.As(err, &failed):
			redis.recovered()
			a.reached(false, err)
			database.pause(ctx, err)
		default:
			verify = true // a failover may have lost events
			redis.pause(ctx, err)
		}
	}
	return nil
}

// begin reads the cursor. For a pool that the archive does not have it adds one before
// the first event, and a gap for the tasks that ended before.
func (a *Archiver) begin(ctx context.Context) error {
	_, now, err := a.source.WaitingSince(ctx)
	if err != nil {
		return err
	}
	a.gaps = true
	return a.db.transact(ctx, func(tx *tx) error {
		added, err := tx.exec(ctx, "INSERT INTO lts_cursors (pool, cursor, updated_at) VALUES (?, '0', ?) ON CONFLICT (pool) DO NOTHING", a.pool, time.Now().UnixMilli())
		if err != nil {
			return err
		}
		if a.info.ID, err = tx.identify(ctx, a.pool); err != nil {
			return err
		}
		if n, err := added.RowsAffected(); err != nil || n == 1 {
			a.cursor, a.info.Cursor = "0", "0"
			return errors.Join(err, tx.addGap(ctx, a.pool, Gap{Reason: GapStart, After: "0", Until: position{ms: now.UnixMilli()}.String()}))
		}
		a.cursor, a.from, err = tx.cursor(ctx, a.pool)
		a.late, a.info.Cursor = a.from != "", a.cursor
		return err
	})
}

// background makes the goroutines that go on beside the copying. It returns a function that
// ends them. They do not end with ctx, so that the last state is published.
func (a *Archiver) background(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	all.Go(func() { a.publish(ctx) })
	if !a.once {
		all.Go(func() { a.maintain(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

// step archives a page of events, and reconciles a gap when it has been passed. It
// returns the number of events. verify requests a check that Redis still has the events
// that were read.
func (a *Archiver) step(ctx context.Context, verify bool) (int, error) {
	if err := a.releaseLate(ctx); err != nil {
		return 0, err
	}
	empty := false
	if verify {
		var err error
		if empty, err = a.verify(ctx); err != nil {
			return 0, err
		}
	}
	wait := eventWait
	if a.gaps || a.once {
		wait = 0
	}
	events, err := a.source.ReadEvents(ctx, a.cursor, a.page, wait)
	var trimmed *task.TrimmedError
	if errors.As(err, &trimmed) {
		return 0, a.gap(ctx, GapTrimmed)
	}
	if err != nil {
		return 0, err
	}
	if empty && len(events) > 0 {
		// The check was made before there were events.
		if _, err := a.verify(ctx); err != nil || a.cursor == "0" {
			return 0, err
		}
	}
	events, records, err := a.records(ctx, events)
	if err != nil {
		return 0, err
	}
	hosts, err := a.hostsOf(ctx, events, records)
	if err != nil {
		return 0, err
	}
	if err := a.archive(ctx, events, records, hosts); err != nil {
		return 0, err
	}
	if a.committed != nil {
		a.committed()
	}
	if err := a.release(ctx, ended(events, records)); err != nil {
		return len(events), err
	}
	if !a.gaps {
		return len(events), nil
	}
	return len(events), a.reconcile(ctx, len(events) == 0)
}

// verify adds a gap if Redis does not have the last event that was read, although no
// later one was trimmed: it has lost events. empty is true if Redis has no events now, so
// that nothing can be compared.
func (a *Archiver) verify(ctx context.Context) (empty bool, err error) {
	at := positionOf(a.cursor)
	if at == (position{}) {
		return false, nil
	}
	before := position{at.ms, at.seq - 1}
	if at.seq == 0 {
		before = position{at.ms - 1, math.MaxInt64}
	}
	last, err := a.source.LastEvent(ctx)
	if err != nil || last == "0" {
		return err == nil, err
	}
	events, err := a.source.ReadEvents(ctx, before.String(), 1, 0)
	var trimmed *task.TrimmedError
	switch {
	case errors.As(err, &trimmed):
		return false, nil // the next read reports it, unless exactly the events up to the cursor were trimmed
	case err != nil:
		return false, err
	case len(events) == 0, positionOf(events[0].Cursor) != at:
		return false, a.gap(ctx, GapRewound)
	}
	return false, nil
}

// gap adds a gap and continues with the oldest event that Redis has.
func (a *Archiver) gap(ctx context.Context, reason string) error {
	_, now, err := a.source.WaitingSince(ctx)
	if err != nil {
		return err
	}
	after := a.cursor
	err = a.locked(ctx, func(tx *tx) error {
		if err := tx.addGap(ctx, a.pool, Gap{Reason: reason, After: after, Until: position{ms: now.UnixMilli()}.String()}); err != nil {
			return err
		}
		return tx.setCursor(ctx, a.pool, "0", a.from)
	})
	if err != nil {
		return err
	}
	a.cursor, a.gaps = "0", true
	a.log.Warn("events are missing in the archive; the tasks that Redis keeps are read instead", "pool", a.pool, "reason", reason, "after", after)
	return nil
}

// archive writes a page of events, the records and the hosts that belong to it, and the cursor.
func (a *Archiver) archive(ctx context.Context, events []task.Event, records []record, hosts []host) error {
	if len(events) == 0 {
		return nil
	}
	next, from := events[len(events)-1].Cursor, events[0].Cursor
	if a.late {
		from = a.from
	}
	var unseen []string
	err := a.locked(ctx, func(tx *tx) error {
		if err := tx.endGaps(ctx, a.pool, events[0].Cursor); err != nil {
			return err
		}
		if err := tx.apply(ctx, a.pool, events); err != nil {
			return err
		}
		if _, err := tx.addRecords(ctx, a.pool, false, records); err != nil {
			return err
		}
		if err := tx.writeHosts(ctx, a.pool, hosts); err != nil {
			return err
		}
		var err error
		if unseen, err = tx.unseen(ctx, a.pool, events); err != nil {
			return err
		}
		if err := tx.setCursor(ctx, a.pool, next, from); err != nil {
			return err
		}
		if a.committing != nil {
			a.committing()
		}
		return nil
	})
	if err != nil {
		return err
	}
	a.cursor, a.from, a.unseen = next, from, unseen
	a.wrote(hosts)
	return nil
}

// locked calls do in a transaction that holds the cursor of the pool. It returns
// errOvertaken if another archiver has changed the cursor, and then continues there.
func (a *Archiver) locked(ctx context.Context, do func(tx *tx) error) error {
	found, from := "", ""
	err := a.db.transact(ctx, func(tx *tx) (err error) {
		if found, from, err = tx.cursor(ctx, a.pool); err != nil {
			return err
		}
		if found != a.cursor {
			return errOvertaken
		}
		return do(tx)
	})
	if errors.Is(err, errOvertaken) {
		a.cursor, a.from, a.unseen, a.gaps, a.late = found, from, nil, true, from != ""
		return err
	}
	return inDatabase(err)
}

// cursor reads and locks the cursor of a pool, and the position in waits.from.
func (t *tx) cursor(ctx context.Context, pool string) (cursor, from string, err error) {
	err = t.row(ctx, "SELECT cursor, waiting_from FROM lts_cursors WHERE pool = ?"+t.share, pool).Scan(&cursor, &from)
	return cursor, from, err
}

func (t *tx) setCursor(ctx context.Context, pool, cursor, from string) error {
	_, err := t.exec(ctx, "UPDATE lts_cursors SET cursor = ?, waiting_from = ?, updated_at = ? WHERE pool = ?", cursor, from, time.Now().UnixMilli(), pool)
	return err
}

// unseen returns the ids among the events whose live tasks have an estimated time of
// creation.
func (t *tx) unseen(ctx context.Context, pool string, events []task.Event) (ids []string, err error) {
	asked := map[string]bool{}
	for _, e := range events {
		if e.Version > 1 && task.CheckName(e.ID) == nil && !asked[e.ID] {
			asked[e.ID] = true
			ids = append(ids, e.ID)
		}
	}
	newest, err := t.newest(ctx, pool, ids)
	ids = ids[:0]
	for id, one := range newest {
		if !one.CreatedKnown && one.EndedAt.IsZero() {
			ids = append(ids, id)
		}
	}
	return ids, err
}
