package task

// Severity is how much a Finding matters.
type Severity string

// The severities of a Finding.
const (
	SeverityOK      Severity = "ok"      // checked and in order
	SeverityNote    Severity = "note"    // worth knowing; nothing has to be done
	SeverityWarning Severity = "warning" // works now, but will fail in a foreseeable case
	SeverityError   Severity = "error"   // does not work, or loses tasks
)

// Finding is the result of one check of an inspection. Names and texts in it may come
// from any program that can write to the store: escape them for a terminal.
type Finding struct {
	Severity Severity
	Check    string // what was checked: "version", "eviction", "entries" …
	Code     string // what was found, as a stable word: "queue_unserved", "bad_record" …
	Key      string // the key concerned; "" for none
	Task     string // the id of the task concerned; "" for none
	What     string // what was found
	Do       string // what to do about it; "" if nothing has to be done
	Fixed    string // what the inspection did about it; "" for nothing

	// Figures are the numbers in What by name, such as "used_bytes"; nil for none.
	// Durations are in ms.
	Figures map[string]float64
	// Values are the names and texts in What and Do by name, such as "queue"; nil for none.
	Values map[string]string
}

// Open reports whether an operator has to act on the finding.
func (f Finding) Open() bool {
	return f.Fixed == "" && (f.Severity == SeverityWarning || f.Severity == SeverityError)
}

// Inspection configures an inspection. The zero value changes nothing.
type Inspection struct {
	// Brief leaves out the records of tasks and all other keys that an inspection walks: what is left
	// costs the same in a pool of any size.
	Brief bool
	// Fix repairs broken records. It renames a key that it cannot repair. It changes no
	// settings of the server.
	Fix bool
	// Progress is called repeatedly with the number of records checked so far and the
	// approximate total. It may be nil.
	Progress func(checked, total int)
}
