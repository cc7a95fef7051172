package main

import (
	"github.com/ltsworker/ltsworker/internal/terminal"
	"github.com/ltsworker/ltsworker/task"
)

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
