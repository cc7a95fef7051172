package task

import "time"

// ArchiveInfo is an archive of the pool, as its archiver described it last.
type ArchiveInfo struct {
	ID    string // made with the archive
	Place string // the file, or the host and the database
	Host  string // of the archiver
	PID   int
	// Cursor is the position of the last event in the archive.
	Cursor    string
	Committed time.Time // when the archive was written last; zero for not since the archiver started
	Once      bool      // the archiver ended after it had read all events
	Outage    *Outage   // of the database; nil for none

	// The store sets these. Silent is the time since the archiver wrote this. Behind is the age of
	// the oldest event that the archive does not have; 0 for none. Trimmed is set if events were
	// removed that the archive does not have.
	Silent  time.Duration
	Behind  time.Duration
	Trimmed bool
}

const (
	// ArchiveBeat is the time between two descriptions of an archive. An archiver that has been
	// silent for ArchiveSilence counts as stopped.
	ArchiveBeat    = 10 * time.Second
	ArchiveSilence = time.Minute
	// MaxArchiveLag is the age of an event that an archive does not have yet from which on the
	// archive counts as behind.
	MaxArchiveLag = time.Minute
)

// Stopped reports whether the archiver gives no sign of life.
func (a ArchiveInfo) Stopped() bool { return a.Silent > ArchiveSilence && !a.Once }
