// Package sqlarchive shows the archive of ended tasks in an SQL database in the console.
//
//	console.Options{Archive: sqlarchive.New(db)}
//
// It is a package of its own, so that a service without an archive is built without the drivers
// of the databases.
package sqlarchive

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/console"
	"github.com/ltsworker/ltsworker/task"
)

// Archive is a console.Archive. It is safe for concurrent use.
type Archive struct {
	where string // "" if db is given

	mu     sync.Mutex
	db     *archive.DB
	failed time.Time // of the last attempt to open
	err    error
}

// New returns the archive in an open database.
func New(db *archive.DB) *Archive { return &Archive{db: db} }

// Open returns the archive at where: see archive.Open. The database is opened at the first read, so it
// may be created later. If that fails, it is tried again after 5 seconds. Close closes it.
func Open(where string) *Archive { return &Archive{where: where} }

// Close closes the database if Open has named it.
func (a *Archive) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.where != "" && a.db != nil {
		a.db.Close()
		a.db = nil
	}
}

const (
	// again is the time from a failure to open the archive to the next try.
	again = 5 * time.Second
	// opening bounds the time to open the archive.
	opening = 5 * time.Second
)

// open opens the archive. All viewers share it, so the end of one request does not end the opening.
func (a *Archive) open(ctx context.Context) (*archive.DB, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.db != nil {
		return a.db, nil
	}
	if a.err == nil || time.Since(a.failed) > again {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), opening)
		defer cancel()
		a.db, a.err = archive.OpenExisting(ctx, a.where)
		a.failed = time.Now()
	}
	return a.db, a.err
}

// Tasks implements console.Archive.
func (a *Archive) Tasks(ctx context.Context, q console.ArchiveQuery, after string, limit int) (console.ArchivePage, error) {
	db, err := a.open(ctx)
	if err != nil {
		return console.ArchivePage{}, err
	}
	f := archive.Filter{Pool: q.Pool, Kinds: q.Kinds, Queues: q.Queues, Groups: q.Groups, Brief: !q.Whole}
	if q.State != "" {
		f.States = []task.State{q.State}
	}
	got, err := db.Tasks(ctx, f, after, limit)
	if err != nil {
		return console.ArchivePage{}, err
	}
	page := console.ArchivePage{Next: got.Next}
	for _, t := range got.Tasks {
		page.Tasks = append(page.Tasks, taskOf(t))
	}
	return page, nil
}

// Get implements console.Archive.
func (a *Archive) Get(ctx context.Context, pool, id string) ([]console.Archived, error) {
	db, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	records, err := db.Get(ctx, pool, id)
	if errors.Is(err, task.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := make([]console.Archived, len(records))
	for i, r := range records {
		all[i] = console.Archived{Task: taskOf(r.Task), Complete: r.Complete, Unread: r.RecordVersion == 0 && len(r.Payload) == 0, ResultBytes: r.ResultBytes}
		all[i].Hosts = map[string]task.Host{}
		for _, e := range r.Attempts {
			all[i].Hosts[e.Replica] = task.Host{Name: e.Host, IP: e.IP}
			all[i].Attempts = append(all[i].Attempts, task.AttemptRecord{Attempt: e.Attempt, Code: e.Code, At: e.EndedAt, Run: e.Run, Replica: e.Replica, Error: e.Error,
				Log: e.Log, LogSize: e.LogSize})
		}
		for _, e := range r.Events {
			all[i].Events = append(all[i].Events, task.Event{ID: r.ID, Version: e.Version, At: e.At, State: e.State, Code: e.Code, Attempt: e.Attempt, Replica: e.Replica,
				Wait: e.Wait, Run: e.Run, Error: e.Error})
		}
	}
	return all, nil
}

func taskOf(t *archive.Task) *task.Task {
	return &task.Task{
		Spec:  task.Spec{ID: t.ID, Kind: t.Kind, Queue: t.Queue, Group: t.Group, Payload: t.Payload, Priority: t.Priority, Unique: t.Unique, Headers: t.Headers},
		State: t.State, Code: t.Code, Error: t.Error, Attempt: t.Attempt, Version: t.Version, Generation: t.Generation, Replica: t.Replica, CreatedAt: t.CreatedAt,
		StartedAt: t.StartedAt, EndedAt: t.EndedAt, Result: t.Result, Exported: t.Exported, Orphan: t.Orphan, Failures: t.Failures, Lost: t.Lost, Progress: t.Progress,
	}
}
