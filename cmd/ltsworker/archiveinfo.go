package main

import (
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

// archiveInfoRecord is an archive of the pool in JSON output, as its archiver described it.
type archiveInfoRecord struct {
	ID          string        `json:"id"`
	Place       string        `json:"place"`
	Host        string        `json:"host"`
	PID         int           `json:"pid"`
	Cursor      string        `json:"cursor"`
	CommittedAt string        `json:"committed_at,omitempty"`
	SilentMS    int64         `json:"silent_ms"`
	Stopped     bool          `json:"stopped"`
	Once        bool          `json:"once"`
	BehindMS    *int64        `json:"behind_ms"` // null if events were trimmed that it does not have
	Outage      *outageRecord `json:"outage,omitempty"`
}

// outageRecord is an outage in JSON output.
type outageRecord struct {
	Of    string `json:"of"`
	Since string `json:"since"`
	Error string `json:"error"`
}

func recordOutage(o task.Outage) outageRecord { return outageRecord{o.Of, instant(o.Since), o.Error} }

func recordArchives(archives []task.ArchiveInfo) []archiveInfoRecord {
	all := []archiveInfoRecord{}
	for _, a := range archives {
		r := archiveInfoRecord{ID: a.ID, Place: a.Place, Host: a.Host, PID: a.PID, Cursor: a.Cursor, CommittedAt: instant(a.Committed),
			SilentMS: a.Silent.Milliseconds(), Stopped: a.Stopped(), Once: a.Once}
		if !a.Trimmed {
			behind := a.Behind.Milliseconds()
			r.BehindMS = &behind
		}
		if a.Outage != nil {
			o := recordOutage(*a.Outage)
			r.Outage = &o
		}
		all = append(all, r)
	}
	return all
}

// archiveInfoText returns where an archive is, how far it is behind, and what is wrong with it.
func archiveInfoText(a task.ArchiveInfo) string {
	text := terminal.Printable(a.Place) + ": "
	switch {
	case a.Trimmed:
		text += "events were trimmed before it had them"
	case a.Behind == 0:
		text += "has all events"
	default:
		text += terminal.Duration(a.Behind) + " behind"
	}
	if a.Stopped() {
		return text + ", stopped " + terminal.Ago(a.Silent)
	}
	if a.Outage != nil {
		return text + ", cannot use " + terminal.Printable(a.Outage.Of) + ": " + terminal.Printable(terminal.Cut(a.Outage.Error, listedText))
	}
	return text
}
