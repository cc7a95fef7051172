package task

// Severity is how much a Finding matters.
type Severity string

// The severities of a Finding.
const (
	SeverityOK      Severity = "ok"      // looked at, and as it should be
	SeverityNote    Severity = "note"    // worth knowing; nothing has to be done
	SeverityWarning Severity = "warning" // works, and will not in a case that can be foreseen
	SeverityError   Severity = "error"   // does not work, or loses tasks
)

// Finding is one thing that an inspection looked at. Every name and text in it
// may come from whoever could write into the store: escape them for a terminal.
type Finding struct {
	Severity Severity
	Check    string // what was looked at: "version", "eviction", "entries" …
	Code     string // entries: what kind of damage it is, a word that stays; else ""
	Key      string // the key that it is about; "" for none
	Task     string // the id of the task that it is about; "" for none
	What     string // what was found
	Do       string // what to do about it; "" where nothing has to be done
	Fixed    string // what was done about it; "" for nothing
}

// Open reports whether somebody has to do something about the finding.
func (f Finding) Open() bool {
	return f.Fixed == "" && (f.Severity == SeverityWarning || f.Severity == SeverityError)
}

// Inspection is how a pool is inspected. The zero value only looks.
type Inspection struct {
	// Fix repairs broken entries, or moves them out of the way whole. Nothing
	// else is changed: no setting of the server.
	Fix bool
	// Progress is called now and then with how many entries have been looked at
	// and how many there are, roughly. It may be nil.
	Progress func(looked, roughly int)
}
