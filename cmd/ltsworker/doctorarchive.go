package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/ltsworker/ltsworker/archive"
	"github.com/ltsworker/ltsworker/internal/client"
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/pool"
	"github.com/ltsworker/ltsworker/task"
)

const (
	checkArchive = "archive"
	// maxBehind is how long an event may wait for the archive before doctor warns. An
	// archiver that follows the pool reads it in a fraction of a second.
	maxBehind = time.Minute
	runIt     = "start ltsworker archive run, or read its log"
)

// archiveState is what doctor knows of an archive.
type archiveState struct {
	cursor  string       // of the last event in the archive; "" if it has nothing of the pool
	next    []task.Event // the first event after it; empty if there is none
	trimmed bool         // events after the cursor were trimmed
	now     time.Time    // by the clock of Redis
}

// inspectArchive checks the archive that LTS_ARCHIVE names. ok is false if it names none.
func inspectArchive(ctx context.Context, c *client.Client) (f pool.Finding, ok bool, err error) {
	if os.Getenv("LTS_ARCHIVE") == "" {
		return pool.Finding{}, false, nil
	}
	s, err := readArchiveState(ctx, c)
	if err == nil {
		return s.finding(c.Name), true, nil
	}
	var ofRedis *redisProblem
	if errors.As(err, &ofRedis) {
		return pool.Finding{}, false, ofRedis.error
	}
	return pool.Finding{Severity: task.SeverityWarning, Check: checkArchive, Code: "archive_unreadable", What: "it cannot be read: " + terminal.TidyError(ofArchive(err).Error()),
		Do: "correct LTS_ARCHIVE, or unset it if the pool has no archive"}, true, nil
}

// redisProblem is an error of Redis, not of the archive.
type redisProblem struct{ error }

func readArchiveState(ctx context.Context, c *client.Client) (s archiveState, err error) {
	where, err := (&archiveFlag{}).where()
	if err != nil {
		return s, err
	}
	db, err := archive.OpenExisting(ctx, where)
	if err != nil {
		return s, err
	}
	defer db.Close()
	if s.cursor, err = db.Cursor(ctx, c.Name); err != nil || s.cursor == "" {
		return s, err
	}
	var trimmed *task.TrimmedError
	s.next, err = c.Store.ReadEvents(ctx, s.cursor, 1, 0)
	if s.trimmed = errors.As(err, &trimmed); s.trimmed {
		err = nil
	}
	if err == nil {
		_, s.now, err = c.Store.WaitingSince(ctx)
	}
	if err != nil {
		return s, &redisProblem{err}
	}
	return s, nil
}

func (s archiveState) finding(name string) pool.Finding {
	f := pool.Finding{Severity: task.SeverityWarning, Check: checkArchive, Do: runIt}
	behind := time.Duration(0)
	if len(s.next) > 0 {
		behind = max(0, s.now.Sub(s.next[0].At))
	}
	switch {
	case s.cursor == "":
		f.Code, f.What = "archive_empty", "it has nothing of pool "+terminal.Printable(name)
	case s.trimmed:
		f.Code, f.What = "archive_trimmed", "events were trimmed before it had read them: it has a gap, and tasks may be missing"
		f.Do += "; keep events for longer: events in the config file of the replicas"
	case behind > maxBehind:
		f.Code, f.What = "archive_behind", "it does not follow the pool: the oldest event that it has not read is "+terminal.Duration(behind)+" old"
	case len(s.next) > 0:
		f.Severity, f.Code, f.Do, f.What = task.SeverityOK, "archive_follows", "", "follows the pool, "+terminal.Duration(behind)+" behind"
	default:
		f.Severity, f.Code, f.Do, f.What = task.SeverityOK, "archive_ok", "", "has all events"
	}
	if s.cursor != "" && !s.trimmed {
		f.Figures = map[string]float64{"behind_ms": float64(behind.Milliseconds())}
	}
	return f
}
