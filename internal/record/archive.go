package record

import "github.com/ltsworker/ltsworker/task"

// Archive is an archive of the pool in JSON output, as its archiver described it.
type Archive struct {
	ID          string  `json:"id"`
	Place       string  `json:"place"`
	Host        string  `json:"host"`
	PID         int     `json:"pid"`
	Cursor      string  `json:"cursor"`
	CommittedAt string  `json:"committed_at,omitempty"`
	SilentMS    int64   `json:"silent_ms"`
	Stopped     bool    `json:"stopped"`
	Once        bool    `json:"once"`
	BehindMS    *int64  `json:"behind_ms"` // null if events were trimmed that it does not have
	Outage      *Outage `json:"outage,omitempty"`
}

// Archives returns the records of archives.
func Archives(archives []task.ArchiveInfo) []Archive {
	all := []Archive{}
	for _, a := range archives {
		r := Archive{ID: a.ID, Place: a.Place, Host: a.Host, PID: a.PID, Cursor: a.Cursor, CommittedAt: Instant(a.Committed),
			SilentMS: a.Silent.Milliseconds(), Stopped: a.Stopped(), Once: a.Once}
		if !a.Trimmed {
			behind := a.Behind.Milliseconds()
			r.BehindMS = &behind
		}
		if a.Outage != nil {
			o := OfOutage(*a.Outage)
			r.Outage = &o
		}
		all = append(all, r)
	}
	return all
}
